using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Layers;

/// <summary>What holds for every layer that mixes tokens.</summary>
public sealed class MixerTests
{
    // The reference data's bounds for whole mixers: what float32 loses over a chain of projections and a scan.
    private const double Tolerance = 3e-6;
    private const double GradientTolerance = 2e-5;

    public static TheoryData<string> Names => Mixers.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public void Forward_and_gradients_match_the_reference(string name)
    {
        using Device tested = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();

        Result actual = Run(tested, name), expected = Run(reference, name);

        actual.ShouldBeClose(expected, Tolerance, GradientTolerance);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradients_match_central_differences(string name)
    {
        using ReferenceDevice device = TestDevice.Reference();
        using SequenceMixer mixer = Mixers.Create(name, device);
        using LayerState before = Mixers.RandomState(mixer, 1, 5);
        DeviceArray x = device.Array([1, 5, Mixers.ModelDim], Samples.Normal(3, 5 * Mixers.ModelDim));
        double[] weights = Array.ConvertAll(Samples.Normal(4, 5 * Mixers.ModelDim), value => (double)value);

        List<(string, DeviceArray)> inputs = [("x", x)];
        inputs.AddRange(mixer.Parameters.Where(named => named.Name != "initial_state")
            .Select(named => (named.Name, named.Parameter.Value)));
        Dictionary<string, double[]> gradients = [];
        using (device.Scope())
        {
            using Tape tape = new(device);
            tape.Watch(x);
            using LayerState state = before.Clone();
            DeviceArray y = mixer.Forward(x, state);
            tape.Backward((y, device.ExactArray(y.Shape, weights)));
            foreach ((string input, DeviceArray array) in inputs)
            {
                gradients.Add(input, ReferenceDevice.Exact(tape.GradientOf(array)));
            }
        }

        foreach ((string input, DeviceArray array) in inputs)
        {
            double[] values = ReferenceDevice.Exact(array);
            foreach (int i in Enumerable.Range(0, values.Length).Where(i => i % Math.Max(1, values.Length / 7) == 0))
            {
                const double H = 1e-4;
                ReferenceDevice.Set(array, i, values[i] + H);
                double above = Objective();
                ReferenceDevice.Set(array, i, values[i] - H);
                double below = Objective();
                ReferenceDevice.Set(array, i, values[i]);
                double scale = 1e-3 + gradients[input].Max(Math.Abs);

                // The difference itself is good to about H² and to the rounding of the objective over H.
                Math.Abs(((above - below) / (2 * H)) - gradients[input][i]).Should().BeLessThan(
                    1e-6 * scale, "gradient {0} of {1}", i, input);
            }
        }

        double Objective()
        {
            using DeviceScope scope = device.Scope();
            using LayerState state = before.Clone();
            double[] y = ReferenceDevice.Exact(mixer.Forward(x, state));
            return y.Zip(weights, (value, weight) => value * weight).Sum();
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Any_split_gives_what_the_whole_gives_and_so_do_steps(string name)
    {
        using Device tested = TestDevice.Open(2);
        using SequenceMixer mixer = Mixers.Create(name, tested);
        const int Batch = 2, Length = 9;
        float[] x = Samples.Normal(3, Batch * Length * Mixers.ModelDim);
        using LayerState before = Mixers.RandomState(mixer, Batch, 5);
        (float[] Y, float[][] State) whole = InPieces(mixer, before, x, Batch, [Length]);

        foreach (int[] pieces in new int[][] { [4, 5], [1, 8], [8, 1], [0, 9], [3, 3, 3], [1, 1, 1, 1, 1, 1, 1, 1, 1] })
        {
            (float[] Y, float[][] State) split = InPieces(mixer, before, x, Batch, pieces);

            split.Y.ShouldBeClose(whole.Y, Tolerance, $"y in pieces of {string.Join(", ", pieces)}");
            for (int i = 0; i < whole.State.Length; i++)
            {
                split.State[i].ShouldBeClose(whole.State[i], Tolerance, $"state {i}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradients_flow_through_the_state_from_piece_to_piece(string name)
    {
        using Device tested = TestDevice.Open(2);

        Result whole = Run(tested, name, [7]);

        Run(tested, name, [3, 4]).ShouldBeClose(whole, Tolerance, GradientTolerance);
        Run(tested, name, [1, 1, 5]).ShouldBeClose(whole, Tolerance, GradientTolerance);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Packed_segments_give_what_they_give_apart(string name)
    {
        using Device tested = TestDevice.Open(2);
        using SequenceMixer mixer = Mixers.Create(name, tested);
        int[] lengths = [3, 1, 0, 6, 2];
        int dim = Mixers.ModelDim;
        float[] x = Samples.Normal(3, lengths.Sum() * dim);

        float[] packed = mixer.Forward(
            tested.Array([1, lengths.Sum(), dim], x), null, Segments.FromLengths(lengths)).ToArray();

        int start = 0;
        foreach (int length in lengths)
        {
            float[] apart = mixer.Forward(
                tested.Array([1, length, dim], x.AsSpan(start * dim, length * dim))).ToArray();
            packed[(start * dim)..((start + length) * dim)].ShouldBeClose(apart, Tolerance, $"segment at {start}");
            start += length;
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Padding_behind_a_sequence_changes_nothing(string name)
    {
        using Device tested = TestDevice.Open(2);
        using SequenceMixer mixer = Mixers.Create(name, tested);
        int dim = Mixers.ModelDim;
        float[] x = Samples.Normal(3, 5 * dim);
        float[] unpadded = mixer.Forward(tested.Array([1, 5, dim], x)).ToArray();

        float[] padded = mixer.Forward(tested.Array([1, 20, dim], [.. x, .. new float[15 * dim]])).ToArray();

        padded[..(5 * dim)].ShouldBeClose(unpadded, Tolerance);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_comes_later_changes_no_bit_before(string name)
    {
        using Device tested = TestDevice.Open(2);
        using SequenceMixer mixer = Mixers.Create(name, tested);
        int dim = Mixers.ModelDim;
        float[] x = Samples.Normal(3, 70 * dim);
        float[] first = mixer.Forward(tested.Array([1, 70, dim], x)).ToArray();

        x[50 * dim] += 1;
        float[] second = mixer.Forward(tested.Array([1, 70, dim], x)).ToArray();

        second[..(50 * dim)].ShouldHaveTheBitsOf(first[..(50 * dim)]);
        second[(50 * dim)..].Should().NotEqual(first[(50 * dim)..]);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Thread_count_changes_no_bit(string name)
    {
        using CpuDevice one = TestDevice.Cpu(1), two = TestDevice.Cpu(2), five = TestDevice.Cpu(5);

        Result expected = Run(one, name);

        Run(two, name).ShouldHaveTheBitsOf(expected);
        Run(five, name).ShouldHaveTheBitsOf(expected);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_sequence_gives_the_same_bits_alone_and_in_a_batch(string name)
    {
        using Device tested = TestDevice.Open(2);
        using SequenceMixer mixer = Mixers.Create(name, tested);
        int dim = Mixers.ModelDim;
        foreach (int length in new[] { 1, 5, 40 })
        {
            float[] x = Samples.Normal(3, 17 * length * dim);
            float[] batch = mixer.Forward(tested.Array([17, length, dim], x)).ToArray();

            float[] alone =
                mixer.Forward(tested.Array([1, length, dim], x.AsSpan(7 * length * dim, length * dim))).ToArray();

            batch[(7 * length * dim)..(8 * length * dim)].ShouldBeAsAlone(alone, $"length {length}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Empty_input_gives_empty_output(string name)
    {
        using Device tested = TestDevice.Open(2);
        using SequenceMixer mixer = Mixers.Create(name, tested);

        mixer.Forward(tested.Zeros([0, 4, Mixers.ModelDim])).ToArray().Should().BeEmpty();
        mixer.Forward(tested.Zeros([2, 0, Mixers.ModelDim])).ToArray().Should().BeEmpty();
    }

    [Fact]
    public void A_state_of_another_batch_is_refused()
    {
        using Device tested = TestDevice.Open();
        using SequenceMixer mixer = Mixers.Create("mamba2", tested);
        using LayerState state = mixer.CreateState(3);

        Action forward = () => mixer.Forward(tested.Zeros([2, 4, Mixers.ModelDim]), state);

        forward.Should().Throw<ArgumentException>().WithMessage("*3 sequences*2*");
    }

    private static (float[] Y, float[][] State) InPieces(
        SequenceMixer mixer, LayerState before, float[] x, int batch, int[] pieces)
    {
        Device device = mixer.Device;
        int dim = Mixers.ModelDim, length = x.Length / batch / dim, start = 0;
        float[] y = new float[x.Length];
        using LayerState state = before.Clone();
        foreach (int piece in pieces)
        {
            using DeviceScope scope = device.Scope();
            DeviceArray input = device.Array([batch, piece, dim], Piece(x, batch, length, start, piece));
            DeviceArray output = piece == 1 ? mixer.Step(input, state) : mixer.Forward(input, state);
            float[] values = output.ToArray();
            for (int row = 0; row < batch; row++)
            {
                values.AsSpan(row * piece * dim, piece * dim).CopyTo(y.AsSpan(((row * length) + start) * dim));
            }

            start += piece;
        }

        state.SetLength(state.Length);
        return (y, [.. state.Arrays.Select(array => array.ToArray())]);
    }

    private static float[] Piece(float[] x, int batch, int length, int start, int count)
    {
        int dim = Mixers.ModelDim;
        float[] piece = new float[batch * count * dim];
        for (int row = 0; row < batch; row++)
        {
            x.AsSpan(((row * length) + start) * dim, count * dim).CopyTo(piece.AsSpan(row * count * dim));
        }

        return piece;
    }

    /// <summary>Runs pieces from a random state, with a loss on every output and on the last state.</summary>
    private static Result Run(Device device, string name, int[]? pieces = null)
    {
        pieces ??= [7];
        const int Batch = 2;
        int dim = Mixers.ModelDim, length = pieces.Sum();
        using SequenceMixer mixer = Mixers.Create(name, device);
        using LayerState state = Mixers.RandomState(mixer, Batch, 5);
        float[] x = Samples.Normal(3, Batch * length * dim), weights = Samples.Normal(4, Batch * length * dim);
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        List<DeviceArray> inputs = [], outputs = [];
        List<(DeviceArray, DeviceArray)> upstream = [];
        int start = 0;
        foreach (int piece in pieces)
        {
            DeviceArray input = device.Array([Batch, piece, dim], Piece(x, Batch, length, start, piece));
            tape.Watch(input);
            DeviceArray y = piece == 1 ? mixer.Step(input, state) : mixer.Forward(input, state);
            upstream.Add((y, device.Array(y.Shape, Piece(weights, Batch, length, start, piece))));
            inputs.Add(input);
            outputs.Add(y);
            start += piece;
        }

        for (int i = 0; i < state.Arrays.Count; i++)
        {
            DeviceArray last = state.Arrays[i];
            if (last.RequiresGradient)
            {
                upstream.Add((last, device.Array(last.Shape, Samples.Normal(9 + i, (int)last.Shape.Count))));
            }
        }

        tape.Backward([.. upstream]);
        List<(string, double[])> gradients =
            [("x", Together([.. inputs.Select(input => tape.GradientOf(input))], Batch))];
        foreach ((string parameter, Parameter weight) in mixer.Parameters.Where(named => named.Name != "initial_state"))
        {
            gradients.Add((parameter, ReferenceDevice.ValuesOf(tape.GradientOf(weight.Value))));
        }

        return new(Together(outputs, Batch), [.. state.Arrays.Select(ReferenceDevice.ValuesOf)], gradients);
    }

    /// <summary>Puts pieces [batch, n, dim] one behind the other along time.</summary>
    private static double[] Together(List<DeviceArray> pieces, int batch) =>
    [
        .. Enumerable.Range(0, batch).SelectMany(row => pieces.SelectMany(piece =>
            ReferenceDevice.ValuesOf(piece).Chunk((int)piece.Shape.Count / batch).ElementAtOrDefault(row) ?? [])),
    ];

    private sealed record Result(double[] Y, double[][] State, List<(string Name, double[] Values)> Gradients)
    {
        public void ShouldBeClose(Result expected, double tolerance, double gradientTolerance)
        {
            Y.ShouldBeClose(expected.Y, tolerance, "y");
            for (int i = 0; i < State.Length; i++)
            {
                State[i].ShouldBeClose(expected.State[i], tolerance, $"state {i}");
            }

            for (int i = 0; i < Gradients.Count; i++)
            {
                Gradients[i].Values.ShouldBeClose(
                    expected.Gradients[i].Values, gradientTolerance, $"gradient of {Gradients[i].Name}");
            }
        }

        public void ShouldHaveTheBitsOf(Result expected)
        {
            Y.Should().Equal(expected.Y);
            for (int i = 0; i < Gradients.Count; i++)
            {
                Gradients[i].Values.Should().Equal(expected.Gradients[i].Values, "gradient of {0}", Gradients[i].Name);
            }
        }
    }
}
