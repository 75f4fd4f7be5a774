using CsCheck;
using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.Kernels;

/// <summary>What holds between a sequence and its parts.</summary>
public sealed class SelectiveScanSequenceTests
{
    // A state that crosses a border differs in no bit; the sums of gradients over tokens are added up in another order.
    private const double SumTolerance = 2e-6;

    private const int Channels = 21;

    private const int States = 5;

    [Fact]
    public void Carrying_the_state_across_a_split_changes_nothing() =>
        Gen.Select(Gen.Int[0, 80], Gen.Int[0, 80], Gen.Bool, Gen.Int[0, 999]).Sample(
            (first, second, complex, seed) =>
            {
                using Device device = TestDevice.Open();
                ScanCase scan = new(1, first + second, Channels, States) { IsComplex = complex, Seed = seed };
                ScanInputs inputs = scan.Inputs(device);
                DeviceArray gy = scan.Normal(device, 10, inputs.X.Shape);
                DeviceArray gState = scan.Normal(device, 11, scan.StateShape);

                float[][] whole = InParts(device, inputs, gy, gState, [first + second]);
                float[][] parts = InParts(device, inputs, gy, gState, [first, second]);

                for (int i = 0; i < whole.Length; i++)
                {
                    parts[i].ShouldBeClose(whole[i], SumTolerance, $"result {i}");
                }

                parts[0].ShouldHaveTheBitsOf(whole[0], "y");
                parts[1].ShouldHaveTheBitsOf(whole[1], "final state");
            },
            iter: 30);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Steps_give_the_bits_of_the_sequence(bool complex)
    {
        using Device device = TestDevice.Open(2);
        const int Batch = 2, Length = 70;
        ScanCase scan = new(Batch, Length, Channels, States) { IsComplex = complex, Groups = 3 };
        ScanInputs inputs = scan.Inputs(device);
        (DeviceArray y, DeviceArray finalState) = Functions.SelectiveScan(inputs);
        DeviceArray state = device.Array(scan.StateShape, inputs.InitialState.ToArray());

        for (int t = 0; t < Length; t++)
        {
            ScanInputs token = inputs with
            {
                X = Token(inputs.X, t), Delta = Token(inputs.Delta, t), Z = Token(inputs.Z, t),
                B = Token(inputs.B, t), C = Token(inputs.C, t), InitialState = default,
            };

            float[] step = Functions.SelectiveScanStep(token, state).ToArray();

            step.ShouldHaveTheBitsOf(Token(y, t).ToArray(), $"token {t}");
        }

        state.ToArray().ShouldHaveTheBitsOf(finalState.ToArray());

        static DeviceArray Token(DeviceArray array, int t)
        {
            int width = array.Shape.Width;
            return array.Reshape([Batch, Length * width]).Slice(t * width, width);
        }
    }

    [Fact]
    public void A_step_allocates_nothing_on_the_managed_heap()
    {
        Assert.SkipWhen(TestDevice.IsEmulation, "The start of an emulated kernel allocates.");
        using Device device = TestDevice.Open(2);
        ScanCase scan = new(2, 1, 300, 16);
        ScanInputs inputs = scan.Inputs(device) with { InitialState = default };
        DeviceArray state = device.Zeros(scan.StateShape);
        Step();

        long allocated = Allocations.Of(Step);

        allocated.Should().Be(0);

        void Step()
        {
            using DeviceScope scope = device.Scope();
            Functions.SelectiveScanStep(inputs, state);
        }
    }

    [Fact]
    public void Packed_sequences_give_what_they_give_alone()
    {
        int[] lengths = [3, 70, 0, 64, 1];
        using Device device = TestDevice.Open(2);
        ScanCase scan = new(1, lengths.Sum(), Channels, States) { SegmentLengths = lengths };
        ScanInputs packed = scan.Inputs(device);
        (DeviceArray y, DeviceArray states) = Functions.SelectiveScan(packed, scan.Segments);

        for (int s = 0, start = 0; s < lengths.Length; start += lengths[s++])
        {
            ScanInputs alone = Part(packed, start, lengths[s]) with
            {
                InitialState = packed.InitialState.RowRange(s * States, States).Reshape([1, States, Channels]),
            };

            (DeviceArray part, DeviceArray state) = Functions.SelectiveScan(alone);

            part.ToArray().ShouldHaveTheBitsOf(y.RowRange(start, lengths[s]).ToArray(), $"segment {s}");
            state.ToArray().ShouldHaveTheBitsOf(states.RowRange(s * States, States).ToArray(), $"state {s}");
        }
    }

    [Fact]
    public void A_row_gives_the_same_bits_alone_and_in_a_batch()
    {
        using Device device = TestDevice.Open(2);
        ScanCase scan = new(3, 70, Channels, States);
        ScanInputs inputs = scan.Inputs(device);
        DeviceArray gy = scan.Normal(device, 10, inputs.X.Shape);
        (float[] y, float[] gx) = Run(inputs, gy);
        int row = 70 * Channels;

        ScanInputs second = Part(inputs, 70, 70) with
        {
            InitialState = inputs.InitialState.RowRange(States, States).Reshape([1, States, Channels]),
        };
        (float[] yAlone, float[] gxAlone) = Run(second, Tokens(gy, 70, 70));

        yAlone.ShouldHaveTheBitsOf(y[row..(2 * row)]);
        gxAlone.ShouldHaveTheBitsOf(gx[row..(2 * row)]);

        (float[] Y, float[] Gx) Run(ScanInputs of, DeviceArray gradient)
        {
            using Tape tape = new(device);
            DeviceArray x = device.Array(of.X.Shape, of.X.ToArray());
            tape.Watch(x);
            DeviceArray output = Functions.SelectiveScan(of with { X = x }).Y;
            tape.Backward((output, gradient));
            return (output.ToArray(), tape.GradientOf(x).ToArray());
        }
    }

    [Fact]
    public void A_later_input_leaves_earlier_outputs_untouched()
    {
        using Device device = TestDevice.Open();
        ScanInputs inputs = new ScanCase(1, 70, Channels, States).Inputs(device);
        float[] before = Functions.SelectiveScan(inputs).Y.ToArray();
        int changed = 41 * Channels;
        float[] x = inputs.X.ToArray();
        x[changed] += 1;
        inputs.X.CopyFrom(x);

        float[] after = Functions.SelectiveScan(inputs).Y.ToArray();

        after[..changed].ShouldHaveTheBitsOf(before[..changed]);
        after[changed].Should().NotBe(before[changed]);
    }

    [Fact]
    public void A_very_long_sequence_equals_its_parts()
    {
        using Device device = TestDevice.Open(2);
        const int Length = 70_000;
        ScanInputs inputs = new ScanCase(1, Length, 3, 2).Inputs(device);
        (DeviceArray y, DeviceArray finalState) = Functions.SelectiveScan(inputs);

        (_, DeviceArray middle) = Functions.SelectiveScan(Part(inputs, 0, 40_001));
        (DeviceArray end, DeviceArray last) =
            Functions.SelectiveScan(Part(inputs, 40_001, Length - 40_001) with { InitialState = middle });

        end.ToArray().ShouldHaveTheBitsOf(y.RowRange(40_001, Length - 40_001).ToArray());
        last.ToArray().ShouldHaveTheBitsOf(finalState.ToArray());
    }

    [Fact]
    public void Without_tokens_the_final_state_is_the_initial_one()
    {
        using Device device = TestDevice.Open();
        ScanInputs inputs = new ScanCase(2, 0, Channels, States).Inputs(device);

        Functions.SelectiveScan(inputs).FinalState.ToArray().ShouldHaveTheBitsOf(inputs.InitialState.ToArray());
        Functions.SelectiveScan(inputs with { InitialState = default }).FinalState.ToArray()
            .Should().OnlyContain(value => value == 0);
    }

    /// <summary>y, the final state, and the gradients of x, A and the initial state, scanned part by part.</summary>
    private static float[][] InParts(
        Device device, ScanInputs inputs, DeviceArray gy, DeviceArray gState, ReadOnlySpan<int> lengths)
    {
        using DeviceScope scope = device.Scope();
        using Tape tape = new(device);
        DeviceArray a = device.Array(inputs.A.Shape, inputs.A.ToArray());
        DeviceArray initial = device.Array(inputs.InitialState.Shape, inputs.InitialState.ToArray());
        tape.Watch(a);
        tape.Watch(initial);
        DeviceArray state = initial;
        List<(DeviceArray Output, DeviceArray Gradient)> outputs = [];
        List<DeviceArray> xs = [];
        int start = 0;
        foreach (int length in lengths)
        {
            ScanInputs part = Part(inputs, start, length) with { A = a, InitialState = state };
            part = part with { X = device.Array(part.X.Shape, part.X.ToArray()) };
            tape.Watch(part.X);
            xs.Add(part.X);
            (DeviceArray y, state) = Functions.SelectiveScan(part);
            outputs.Add((y, Tokens(gy, start, length)));
            start += length;
        }

        tape.Backward([.. outputs, (state, gState)]);
        return
        [
            [.. outputs.SelectMany(output => output.Output.ToArray())],
            state.ToArray(),
            [.. xs.SelectMany(x => tape.GradientOf(x).ToArray())],
            tape.GradientOf(a).ToArray(),
            tape.GradientOf(initial).ToArray(),
        ];
    }

    private static ScanInputs Part(ScanInputs inputs, int start, int length) => inputs with
    {
        X = Tokens(inputs.X, start, length),
        Delta = Tokens(inputs.Delta, start, length),
        Z = Tokens(inputs.Z, start, length),
        B = Tokens(inputs.B, start, length),
        C = Tokens(inputs.C, start, length),
    };

    private static DeviceArray Tokens(DeviceArray array, int start, int length) =>
        array.RowRange(start, length).Reshape([1, length, array.Shape.Width]);
}
