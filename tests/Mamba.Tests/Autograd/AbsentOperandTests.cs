using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Tests.Autograd;

/// <summary>
/// A required operand that is absent is named, on one thread and two, and the device works afterwards.
/// </summary>
public sealed class AbsentOperandTests
{
    private const int Length = 80;

    private static readonly Dictionary<string, Func<Device, DeviceArray>> Calls = new()
    {
        ["Silu x"] = _ => Functions.Silu(default),
        ["Add a"] = d => Functions.Add(default, d.Zeros([2])),
        ["Add b"] = d => Functions.Add(d.Zeros([2]), default),
        ["Gate z"] = d => Functions.Gate(d.Zeros([2]), default),
        ["ScaleShift x"] = d => Functions.ScaleShift(default, d.Zeros([2]), d.Zeros([2])),
        ["ScaleShift scale"] = d => Functions.ScaleShift(d.Zeros([2]), default, d.Zeros([2])),
        ["ScaleShift shift"] = d => Functions.ScaleShift(d.Zeros([2]), d.Zeros([2]), default),
        ["Scale x"] = _ => Functions.Scale(default, 2),
        ["Sum x"] = _ => Functions.Sum(default),
        ["Mean x"] = _ => Functions.Mean(default),
        ["Max x"] = _ => Functions.Max(default, 0),
        ["Min x"] = _ => Functions.Min(default, 0),
        ["LogSumExp x"] = _ => Functions.LogSumExp(default, 0),
        ["SwapAxes x"] = _ => Functions.SwapAxes(default, 0, 1),
        ["Permute x"] = _ => Functions.Permute(default, 0),
        ["Slice x"] = _ => Functions.Slice(default, 0, 0, 0),
        ["Split x"] = _ => Functions.Split(default, 0, 1)[0],
        ["Concat arrays"] = d => Functions.Concat(0, d.Zeros([2]), default),
        ["Stack arrays"] = d => Functions.Stack(0, default, d.Zeros([2])),
        ["Pad x"] = _ => Functions.Pad(default, 0, 1, 1),
        ["Flip x"] = _ => Functions.Flip(default, 0),
        ["Repeat x"] = _ => Functions.Repeat(default, 0, 2),
        ["MeanSquare x"] = d => Functions.MeanSquare(default, d.Zeros([2])),
        ["MeanSquare target"] = d => Functions.MeanSquare(d.Zeros([2]), default),
        ["MeanAbsolute target"] = d => Functions.MeanAbsolute(d.Zeros([2]), default),
        ["Huber target"] = d => Functions.Huber(d.Zeros([2]), default),
        ["BinaryCrossEntropy logits"] = d => Functions.BinaryCrossEntropy(default, d.Zeros([2])),
        ["BinaryCrossEntropy target"] = d => Functions.BinaryCrossEntropy(d.Zeros([2]), default),
        ["Softmax x"] = _ => Functions.Softmax(default),
        ["CrossEntropy logits"] = d => Functions.CrossEntropy(default, d.Indices([0])),
        ["LinearCrossEntropy x"] = d => Functions.LinearCrossEntropy(default, d.Zeros([2, 2]), d.Indices([0])),
        ["LinearCrossEntropy weight"] = d => Functions.LinearCrossEntropy(d.Zeros([1, 2]), default, d.Indices([0])),
        ["Concat a"] = d => Functions.Concat(default(DeviceArray), d.Zeros([1, 2])),
        ["Concat b"] = d => Functions.Concat(d.Zeros([1, 2]), default),
        ["Contiguous x"] = _ => Functions.Contiguous(default),
        ["Embedding table"] = d => Functions.Embedding(default, d.Indices([0]), 1, 1),
        ["Gather x"] = d => Functions.Gather(default, d.Indices([0])),
        ["GatherRows x"] = d => Functions.GatherRows(default, d.Indices([0])),
        ["ScatterRows x"] = d => Functions.ScatterRows(default, d.Indices([0]), 1),
        ["Reorder x"] = _ => Functions.Reorder(default, ScanOrder.Backward),
        ["Restore y"] = _ => Functions.Restore(default, ScanOrder.Backward),
        ["Linear x"] = d => Functions.Linear(default, d.Zeros([2, 2])),
        ["Linear weight"] = d => Functions.Linear(d.Zeros([2, 2]), default),
        ["MatMul a"] = d => Functions.MatMul(default, d.Zeros([2, 2])),
        ["MatMul b"] = d => Functions.MatMul(d.Zeros([2, 2]), default),
        ["Custom input"] = d => Functions.Custom([d.Zeros([2]), default], () => d.Zeros([2]), gy => [gy, gy]),
        ["Adapter weight"] = d =>
            Functions.LinearWithAdapter(d.Zeros([2, 2]), default, default, d.Zeros([1, 2]), d.Zeros([2, 1]), 1),
        ["Adapter adapterA"] = d =>
            Functions.LinearWithAdapter(d.Zeros([2, 2]), d.Zeros([2, 2]), default, default, d.Zeros([2, 1]), 1),
        ["Adapter adapterB"] = d =>
            Functions.LinearWithAdapter(d.Zeros([2, 2]), d.Zeros([2, 2]), default, d.Zeros([1, 2]), default, 1),
        ["RmsNorm x"] = d => Functions.RmsNorm(default, d.Zeros([2]), 1e-5f),
        ["AddRmsNorm residual"] = d => Functions.AddRmsNorm(d.Zeros([2]), default, default, 1e-5f).Y,
        ["LayerNorm x"] = d => Functions.LayerNorm(default, default, default, 1e-5f),
        ["AddLayerNorm residual"] = d => Functions.AddLayerNorm(d.Zeros([2]), default, default, default, 1e-5f).Y,
        ["GatedRmsNorm x"] = d => Functions.GatedRmsNorm(default, d.Zeros([2]), default, default, 1e-5f),
        ["GatedRmsNorm z"] = d => Functions.GatedRmsNorm(d.Zeros([2]), default, default, default, 1e-5f),
        ["CausalConvolution x"] = d => Functions.CausalConvolution(default, d.Zeros([2, 2])).Y,
        ["CausalConvolution weight"] = d => Functions.CausalConvolution(d.Zeros([1, 3, 2]), default).Y,
        ["CausalConvolutionStep weight"] = d =>
            Functions.CausalConvolutionStep(d.Zeros([1, 1, 2]), default, default, false, d.Zeros([1, 1, 2])),
        ["CausalConvolutionStep window"] = d =>
            Functions.CausalConvolutionStep(d.Zeros([1, 1, 2]), d.Zeros([2, 2]), default, false, default),
        ["SameConvolution x"] = d => Functions.SameConvolution(default, d.Zeros([2, 2])),
        ["SameConvolution weight"] = d => Functions.SameConvolution(d.Zeros([1, 3, 2]), default),
        ["DepthwiseConvolution2d x"] = d => Functions.DepthwiseConvolution2d(default, d.Zeros([3, 3, 2])),
        ["DepthwiseConvolution2d weight"] = d => Functions.DepthwiseConvolution2d(d.Zeros([1, 3, 3, 2]), default),
        ["Dropout x"] = _ => Functions.Dropout(default, 0.5),
        ["DropPath x"] = _ => Functions.DropPath(default, 0.5),
        ["ArgMax x"] = d => Functions.ArgMax(default).Length == 0 ? default : d.Zeros([1]),
        ["TopK x"] = _ => Functions.TopK(default, 1).Values,
        ["Convolution2d x"] = d => Functions.Convolution2d(default, d.Zeros([2, 3, 3, 2])),
        ["Convolution2d weight"] = d => Functions.Convolution2d(d.Zeros([1, 3, 3, 2]), default),
        ["TransposedConvolution2d x"] = d => Functions.TransposedConvolution2d(default, d.Zeros([3, 3, 2, 2])),
        ["TransposedConvolution2d weight"] = d =>
            Functions.TransposedConvolution2d(d.Zeros([1, 3, 3, 2]), default),
        ["MaxPool2d x"] = _ => Functions.MaxPool2d(default, 2),
        ["MeanPool2d x"] = _ => Functions.MeanPool2d(default, 2),
        ["Resize x"] = _ => Functions.Resize(default, 2, 2, Interpolation.Nearest),
        ["PixelShuffle x"] = _ => Functions.PixelShuffle(default, 2),
        ["Patches x"] = _ => Functions.Patches(default, 2),
        ["Unpatch x"] = _ => Functions.Unpatch(default, 2),
        ["Unfold x"] = _ => Functions.Unfold(default, 0, 2, 1),
        ["WeightedCrossEntropy logits"] = d => Functions.WeightedCrossEntropy(default, d.Indices([0])),
        ["Dice x"] = d => Functions.Dice(default, d.Zeros([1, 2])),
        ["Dice target"] = d => Functions.Dice(d.Zeros([1, 2]), default),
        ["GroupNorm x"] = d => Functions.GroupNorm(default, 1, d.Zeros([2])),
        ["GroupNorm weight"] = d => Functions.GroupNorm(d.Zeros([1, 2]), 1, default),
        ["Rotary x"] = _ => Functions.Rotary(default, new(2, 2, 0, 10000, false)),
        ["Attention Queries"] = d => Functions.Attention(Attention(d) with { Queries = default }),
        ["Attention keys"] = d => Functions.Attention(Attention(d) with { Keys = default }),
        ["Attention values"] = d => Functions.Attention(Attention(d) with { Values = default }),
        ["Attention PastValues"] = d => Functions.Attention(Attention(d) with { PastKeys = d.Zeros([1, 2, 4]) }),
        ["Scan X"] = d => Functions.SelectiveScan(Scan(d) with { X = default }).Y,
        ["Scan Δ"] = d => Functions.SelectiveScan(Scan(d) with { Delta = default }).Y,
        ["Scan A"] = d => Functions.SelectiveScan(Scan(d) with { A = default }).Y,
        ["Scan B"] = d => Functions.SelectiveScan(Scan(d) with { B = default }).Y,
        ["Scan C"] = d => Functions.SelectiveScan(Scan(d) with { C = default }).Y,
        ["Scan constant B"] = d => Functions.SelectiveScan(Scan(d) with { B = default, HasConstantB = true }).Y,
        ["Scan constant C"] = d => Functions.SelectiveScan(Scan(d) with { C = default, HasConstantC = true }).Y,
        ["MultiScan X"] = d => Functions.MultiScan(Scan(d) with { X = default }, [ScanOrder.Backward]).Y,
        ["MultiScan Δ"] = d => Functions.MultiScan(Scan(d) with { Delta = default }, [ScanOrder.Backward]).Y,
        ["ScanStep Δ"] = d => Functions.SelectiveScanStep(Scan(d, 1) with { Delta = default }, d.Zeros([1, 3, 4])),
        ["ScanStep state"] = d => Functions.SelectiveScanStep(Scan(d, 1), default),
        ["TimeInvariant delta"] = d =>
            Functions.TimeInvariantScan(
                d.Zeros([1, 5, 4]), default, d.Zeros([3, 4]), d.Zeros([3, 4]), d.Zeros([3, 4])).Y,
        ["TimeInvariant constant B"] = d =>
            Functions.TimeInvariantScan(d.Zeros([1, 5, 4]), d.Zeros([4]), d.Zeros([3, 4]), default, d.Zeros([3, 4])).Y,
        ["Ssd X"] = d => Functions.Ssd(Ssd(d) with { X = default }).Y,
        ["Ssd delta"] = d => Functions.Ssd(Ssd(d) with { Delta = default }).Y,
        ["Ssd A"] = d => Functions.Ssd(Ssd(d) with { A = default }).Y,
        ["Ssd B"] = d => Functions.Ssd(Ssd(d) with { B = default }).Y,
        ["Ssd C"] = d => Functions.Ssd(Ssd(d) with { C = default }).Y,
        ["SsdStep delta"] = d => Functions.SsdStep(Ssd(d, 1) with { Delta = default }, d.Zeros([1, 4, 10, 15])),
        ["SsdStep C"] = d => Functions.SsdStep(Ssd(d, 1) with { C = default }, d.Zeros([1, 4, 10, 15])),
        ["SsdStep state"] = d => Functions.SsdStep(Ssd(d, 1), default),
    };

    public static TheoryData<string> Names => [.. Calls.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task An_absent_operand_is_named(string name)
    {
        foreach (int threads in new[] { 1, 2 })
        {
            await Task.Run(() => Check(threads), TestContext.Current.CancellationToken)
                .WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        }

        void Check(int threads)
        {
            using Device device = TestDevice.Open(threads);
            string operand = name[(name.IndexOf(' ', StringComparison.Ordinal) + 1)..];

            Action call = () => Calls[name](device);

            call.Should().Throw<ArgumentException>().WithMessage($"*{operand}*");
            float[] y = Functions.Ssd(Ssd(device)).Y.ToArray();
            y.Should().OnlyContain(value => value == 0, "the device works afterwards");
        }
    }

    [Fact]
    public void Every_function_is_tried()
    {
        string[] tried = [.. Calls.Keys.Select(name => name[..name.IndexOf(' ', StringComparison.Ordinal)])];
        string[] maps = // as Silu and Add
        [
            "Sigmoid", "Softplus", "Gelu", "SquaredRelu", "Exp", "Log", "Sqrt", "Square", "Abs", "Tanh", "Relu", "Sin",
            "Cos", "GeluTanh", "Map", "Subtract", "Multiply", "Divide", "Maximum", "Minimum", "Zip",
        ];
        string[] others =
        [
            "Recompute", "TimeInvariantScan", "TimeInvariantScanStep", "LinearWithAdapter", "SelectiveScan",
            "SelectiveScanStep", "SummarizeScan", "SummarizeSsd", "Uniform",
        ];

        typeof(Functions).GetMethods().Where(method => method.IsStatic).Select(method => method.Name).Distinct()
            .Except(tried).Except(maps).Except(others).Should().BeEmpty();
    }

    [Fact]
    public void Arrays_and_shapes_that_are_none_say_so()
    {
        DeviceArray none = default;
        Action[] uses =
        [
            () => none.ToArray(), () => none.CopyFrom([]), () => none.Reshape([1]), () => none.Slice(0, 0),
            () => _ = none.Device, () => _ = none.Precision,
        ];

        uses.Should().AllSatisfy(
            use => use.Should().Throw<InvalidOperationException>().WithMessage("This is no array (default)*"));
        Func<int> width = () => default(Shape).Width;
        width.Should().Throw<InvalidOperationException>().WithMessage("This shape is empty (default)*");
        none.RequiresGradient.Should().BeFalse();
        none.ToString().Should().Be("no array");
    }

    private static AttentionInputs Attention(Device d) => new()
    {
        Queries = d.Zeros([1, 3, 4]), Keys = d.Zeros([1, 3, 4]), Values = d.Zeros([1, 3, 4]),
        Heads = 2, KeyValueHeads = 2,
    };

    private static ScanInputs Scan(Device d, int length = Length) => new()
    {
        X = d.Zeros([1, length, 4]), Delta = d.Zeros([1, length, 4]), A = d.Zeros([3, 4]), B = d.Zeros([1, length, 3]),
        C = d.Zeros([1, length, 3]),
    };

    private static SsdInputs Ssd(Device d, int length = Length) => new()
    {
        X = d.Zeros([1, length, 40]), Delta = d.Zeros([1, length, 4]), A = d.Zeros([4]), B = d.Zeros([1, length, 15]),
        C = d.Zeros([1, length, 15]),
    };
}
