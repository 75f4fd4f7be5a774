using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Autograd;

/// <summary>
/// Some random functions of random shapes, one after another: values are used several times, as views, broadcast, cut
/// up, put together and computed again. A seed gives the same graph on every device.
/// </summary>
internal sealed class RandomGraph
{
    private const int MostElements = 300, MostSize = 4;

    private static readonly (string Name, Func<DeviceArray, DeviceArray> Apply)[] Maps =
    [
        ("Tanh", Functions.Tanh), ("Sigmoid", Functions.Sigmoid), ("Silu", Functions.Silu), ("Sin", Functions.Sin),
        ("Cos", Functions.Cos), ("Gelu", Functions.Gelu), ("GeluTanh", Functions.GeluTanh),
        ("Softplus", Functions.Softplus), ("Scale", x => Functions.Scale(x, -0.7f)),
        ("Square", x => Functions.Square(Functions.Tanh(x))), ("Exp", x => Functions.Exp(Functions.Sin(x))),
        ("Log", x => Functions.Log(Positive(x))), ("Sqrt", x => Functions.Sqrt(Positive(x))),
    ];

    private static readonly (string Name, Func<DeviceArray, DeviceArray, DeviceArray> Apply)[] Zips =
    [
        ("Add", Functions.Add), ("Subtract", Functions.Subtract), ("Multiply", Functions.Multiply),
        ("Divide", (a, b) => Functions.Divide(a, Positive(b))), ("Gate", Functions.Gate),
    ];

    private readonly Random _random;
    private readonly List<(Shape Shape, float[] Values)> _inputs = [];
    private readonly List<Node> _nodes = [];

    /// <summary>Makes a graph.</summary>
    /// <param name="seed">Chooses all of it.</param>
    /// <param name="steps">Number of functions.</param>
    public RandomGraph(int seed, int steps)
    {
        _random = new(seed);
        using ReferenceDevice device = TestDevice.Reference();
        List<DeviceArray> values = [];
        for (int i = 0; i < 2; i++)
        {
            Shape shape = Shape.Create(
                [.. Enumerable.Range(0, _random.Next(1, 5)).Select(_ => _random.Next(1, MostSize + 1))]);
            Add(new("input", [], [shape], arrays => arrays[0]));
        }

        while (_nodes.Count < steps + 2)
        {
            int operand = Math.Max(_random.Next(values.Count), _random.Next(values.Count));
            if (Choose(operand, values) is { } node)
            {
                Add(node);
            }
        }

        void Add(Node node)
        {
            (Shape Shape, float[] Values)[] weights =
                [.. node.Weights.Select(shape => (shape, Samples.Normal(_random.Next(), (int)shape.Count, 0.7)))];
            DeviceArray value = node.Apply(
            [
                .. node.Operands.Select(i => values[i]),
                .. weights.Select(weight => device.Array(weight.Shape, weight.Values)),
            ]);
            if (value.Shape.Count is > 0 and <= MostElements)
            {
                _nodes.Add(node with { FirstInput = _inputs.Count });
                _inputs.AddRange(weights);
                values.Add(value);
            }
        }
    }

    public (Shape Shape, float[] Values)[] Inputs => [.. _inputs];

    public override string ToString() =>
        string.Join("; ", _nodes.Select((node, i) => $"{i} = {node.Name}({string.Join(", ", node.Operands)})"));

    /// <summary>All values that no function uses, one behind the other.</summary>
    public DeviceArray Apply(DeviceArray[] inputs)
    {
        List<DeviceArray> values = [];
        foreach (Node node in _nodes)
        {
            ReadOnlySpan<DeviceArray> weights = inputs.AsSpan(node.FirstInput, node.Weights.Length);
            values.Add(node.Apply([.. node.Operands.Select(i => values[i]), .. weights]));
        }

        HashSet<int> used = [.. _nodes.SelectMany(node => node.Operands)];
        DeviceArray[] ends = [.. values.Where((_, i) => !used.Contains(i))];
        return Functions.Concat(
            0, Array.ConvertAll(ends, value => Functions.Contiguous(value).Reshape([(int)value.Shape.Count])));
    }

    /// <summary>A function of a value, or null if the one that was drawn does not take its shape.</summary>
    private Node? Choose(int operand, List<DeviceArray> values)
    {
        Shape shape = values[operand].Shape;
        int rank = shape.Rank, axis = _random.Next(rank), size = shape[axis], width = shape.Width;
        int[] same = [.. Enumerable.Range(0, values.Count).Where(i => values[i].Shape == shape)];
        int other = same[_random.Next(same.Length)];
        (string zipName, Func<DeviceArray, DeviceArray, DeviceArray> zip) = Zips[_random.Next(Zips.Length)];
        (string mapName, Func<DeviceArray, DeviceArray> map) = Maps[_random.Next(Maps.Length)];
        Func<DeviceArray, DeviceArray> second = Maps[_random.Next(Maps.Length)].Apply;
        (int a, int b, bool flip) = (_random.Next(), _random.Next(), _random.Next(2) == 0);
        int start = a % size, length = (b % (size - start)) + 1, count = (a % 3) + 1;
        int second1 = b % rank;
        return _random.Next(39) switch
        {
            0 or 1 => One(mapName, map),
            2 => One($"Recompute({mapName} and another)", x => Functions.Recompute(inner => second(map(inner)), x)),
            3 => One(
                $"Recompute({zipName} of its mean)",
                x => Functions.Recompute(inner => zip(map(inner), Functions.Mean(inner, axis, keep: true)), x)),
            4 or 5 => Two(zipName, zip),
            6 => One($"{zipName} with the mean of axis {axis}", x => zip(x, Functions.Mean(x, axis, keep: true))),
            7 => One($"{zipName} of the sum of axis {axis}", x => zip(Functions.Sum(x, axis, keep: true), x)),
            8 => Weighted(
                $"{zipName} with a weight of the last axes",
                [Shape.Create(shape.ToArray().AsSpan(axis))],
                x => flip ? zip(x[0], x[1]) : zip(x[1], x[0])),
            9 => Weighted(
                $"{zipName} with a weight of the first axes",
                [Shape.Create([.. shape.ToArray().Select((size, i) => i <= axis ? size : 1)])],
                x => flip ? zip(x[0], x[1]) : zip(x[1], x[0])),
            10 => One("SwapAxes", x => Functions.SwapAxes(x, axis, second1)),
            11 => One("Permute", x => Functions.Permute(x, Order(rank, a))),
            12 => One("Slice", x => Functions.Slice(x, axis, start, length)),
            13 => One("a view", x => x.Slice(a % width, 1 + (b % (width - (a % width))))),
            14 => Two("Concat", (x, y) => Functions.Concat(axis, x, y, x)),
            15 => rank < 5 ? Two("Stack", (x, y) => Functions.Stack(axis, x, y)) : null,
            16 => One("Pad", x => Functions.Pad(x, axis, a % 2, b % 2)),
            17 => One("Flip", x => Functions.Flip(x, axis)),
            18 => One("Repeat", x => Functions.Repeat(x, axis, count)),
            19 => rank < 5 ? One("Unfold", x => Functions.Unfold(x, axis, length, count)) : null,
            20 => One("Sum", x => Functions.Sum(x, axis, flip)),
            21 => One("Mean", x => Functions.Mean(x, axis, flip)),
            22 => One("LogSumExp", x => Functions.LogSumExp(x, axis, flip)),
            23 => One("Softmax", x => Functions.Softmax(x, axis)),
            24 => One("flat", x => Functions.Contiguous(x).Reshape([(int)shape.Count])),
            25 => One(
                "Split", x => Functions.Split(x, axis, start, size - start)[size - start > 0 ? 1 : 0]),
            26 => Weighted(
                "Linear",
                [[count, width], [count], shape.WithWidth(count)],
                x => Functions.Linear(x[0], x[1], x[2], flip ? x[3] : default)),
            27 => Weighted(
                "LayerNorm", [[width], [width]], x => Functions.LayerNorm(x[0], x[1], flip ? x[2] : default, 0.1f)),
            28 => Weighted("RmsNorm", [[width]], x => Functions.RmsNorm(x[0], x[1], 0.1f)),
            29 => rank == 3
                ? Weighted(
                    "convolution over a sequence",
                    [[count, width], [width]],
                    x => flip
                        ? Functions.CausalConvolution(x[0], x[1], x[2], silu: true).Y
                        : Functions.SameConvolution(x[0], x[1], x[2]))
                : null,
            30 => rank == 4
                ? Weighted(
                    "DepthwiseConvolution2d",
                    [[count, (b % 3) + 1, width], [width]],
                    x => Functions.DepthwiseConvolution2d(x[0], x[1], x[2], flip, (a % 2) + 1, (b % 2) + 1))
                : null,
            31 => rank == 4
                ? Weighted(
                    "Convolution2d",
                    [[count, 2, 2, width], [count]],
                    x => Functions.Convolution2d(x[0], x[1], x[2], (a % 2) + 1, padding: 1))
                : null,
            32 => rank == 4
                ? One(
                    "Resize or MeanPool2d",
                    x => flip
                        ? Functions.Resize(x, count, length, Interpolation.Bilinear, a % 2 == 0)
                        : Functions.MeanPool2d(x, 2, 1, 1))
                : null,
            33 => One("Dropout", x => Functions.Dropout(x, 0.3, a, b)),
            34 => Two("MatMul", (x, y) => Functions.MatMul(x, y, transposeB: true)),
            35 => rank == 3
                ? One("Gather", x => Functions.Gather(x, x.Device.Indices([a % shape[1], -1, b % shape[1]])))
                : null,
            36 => rank == 4
                ? Weighted(
                    "TransposedConvolution2d",
                    [[2, count, 2, width], [2]],
                    x => Functions.TransposedConvolution2d(x[0], x[1], x[2], (b % 3) + 1))
                : null,
            37 => rank >= 2
                ? Weighted(
                    "GroupNorm",
                    [[width], [width]],
                    x => Functions.GroupNorm(x[0], width % 2 == 0 ? 2 : width, x[1], x[2], 0.1f))
                : null,
            _ => rank is >= 3 and <= 5
                ? One("Patches", x => Functions.Tanh(Functions.Unpatch(Functions.Patches(x, Whole()), Whole())))
                : null,
        };

        int[] Whole() => shape.ToArray()[1..^1];

        Node One(string name, Func<DeviceArray, DeviceArray> apply) => new(name, [operand], [], x => apply(x[0]));

        Node Two(string name, Func<DeviceArray, DeviceArray, DeviceArray> apply) =>
            new(name, [operand, other], [], x => apply(x[0], x[1]));

        Node Weighted(string name, Shape[] weights, Func<DeviceArray[], DeviceArray> apply) =>
            new(name, [operand], weights, apply);
    }

    private static int[] Order(int rank, int seed)
    {
        int[] order = [.. Enumerable.Range(0, rank)];
        new Random(seed).Shuffle(order);
        return order;
    }

    /// <summary>√(x² + e^sin x): far from 0.</summary>
    private static DeviceArray Positive(DeviceArray x) =>
        Functions.Sqrt(Functions.Square(x) + Functions.Exp(Functions.Sin(x)));

    private sealed record Node(string Name, int[] Operands, Shape[] Weights, Func<DeviceArray[], DeviceArray> Apply)
    {
        public int FirstInput { get; init; }
    }
}
