using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

public sealed class LinearTests
{
    // A sum of K products of float32 is off by about √K·6e-8 of its size, and the largest K here is 300.
    private const double Tolerance = 2e-6;

    public static TheoryData<int, int> LengthsAndDepths
    {
        get
        {
            TheoryData<int, int> data = [];
            foreach (int length in new[] { 0, 1, 2, 5, 18, 19, 70 })
            {
                foreach (int depth in new[] { 0, 1, 15, 48, 79, 300 })
                {
                    data.Add(length, depth);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(LengthsAndDepths))]
    public void Matches_the_reference_with_every_gradient(int length, int depth)
    {
        (int Width, bool HasBias, bool HasStart)[] cases =
        [
            (1, true, true), (6, false, false), (80, true, false), (80, true, true), (101, false, true),
        ];
        foreach ((int width, bool hasBias, bool hasStart) in cases)
        {
            using Device tested = TestDevice.Open(2);
            using ReferenceDevice reference = TestDevice.Reference();

            DeviceArray[] actual = Run(tested, length, depth, width, hasBias, hasStart);
            DeviceArray[] expected = Run(reference, length, depth, width, hasBias, hasStart);

            for (int i = 0; i < actual.Length; i++)
            {
                actual[i].ToArray().ShouldBeClose(
                    ReferenceDevice.Exact(expected[i]), Tolerance, $"array {i} of width {width}");
            }
        }
    }

    [Theory]
    [InlineData(2, true)]
    [InlineData(2, false)]
    [InlineData(40, true)]
    [InlineData(40, false)]
    public void The_reference_adds_to_a_start_with_the_gradients_of_the_differences(int length, bool hasBias) =>
        new FunctionCheck(
            x => Functions.Multiply(Functions.Linear(x[0], x[1], hasBias ? x[2] : default, x[3]), x[3]),
            ([length, 3], Samples.Normal(1, length * 3)),
            ([4, 3], Samples.Normal(2, 12)),
            ([4], Samples.Normal(3, 4)),
            ([length, 4], Samples.Normal(4, length * 4))).ShouldHaveTheDifferencesAsReferenceGradients();

    [Theory]
    [InlineData(3, true)]
    [InlineData(3, false)]
    [InlineData(40, true)]
    [InlineData(40, false)]
    public void The_start_may_be_a_slice_or_the_output_itself(int length, bool hasBias)
    {
        using Device tested = TestDevice.Open(2);
        DeviceArray x = tested.Array([2, length, 50], Samples.Normal(1, 100 * length));
        DeviceArray weight = tested.Array([30, 50], Samples.Normal(2, 1500));
        DeviceArray bias = hasBias ? tested.Array([30], Samples.Normal(3, 30)) : default;
        float[] values = Samples.Normal(4, 60 * length);
        DeviceArray start = tested.Array([2, length, 30], values), same = tested.Array(start.Shape, values);

        float[] expected = Functions.Linear(x, weight, bias, start).ToArray();
        tested.Linear(new() { X = x, Weight = weight, Bias = bias, Start = same, Y = same });
        DeviceArray slice = FunctionCheck.SliceOf(tested, start.Shape, values);
        float[] ofSlice = Functions.Linear(x, weight, bias, slice).ToArray();

        same.ToArray().ShouldHaveTheBitsOf(expected);
        ofSlice.ShouldHaveTheBitsOf(expected);
        start.ToArray().Should().Equal(values);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(18)] // the longest that is not packed
    [InlineData(19)]
    [InlineData(130)]
    public void A_sequence_has_the_same_bits_alone_and_in_a_batch(int length)
    {
        const int batch = 5, depth = 300, width = 83;
        using Device tested = TestDevice.Open(2);
        float[] x = Samples.Normal(1, batch * length * depth);
        DeviceArray weight = tested.Array([width, depth], Samples.Normal(2, width * depth));
        DeviceArray bias = tested.Array([width], Samples.Normal(3, width));

        float[] together = Functions.Linear(tested.Array([batch, length, depth], x), weight, bias).ToArray();

        for (int row = 0; row < batch; row++)
        {
            float[] one = x[(row * length * depth)..((row + 1) * length * depth)];
            float[] alone = Functions.Linear(tested.Array([1, length, depth], one), weight, bias).ToArray();
            together[(row * length * width)..((row + 1) * length * width)].ShouldBeAsAlone(alone, $"row {row}");
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(250)]
    public void A_token_does_not_depend_on_those_beside_it(int length)
    {
        using Device tested = TestDevice.Open(2);
        float[] x = Samples.Normal(1, length * 70), changed = [.. x];
        changed.AsSpan(0, (length - 1) * 70).Fill(1000f);
        DeviceArray weight = tested.Array([90, 70], Samples.Normal(2, 90 * 70));

        float[] y = Functions.Linear(tested.Array([length, 70], x), weight).ToArray();

        float[] other = Functions.Linear(tested.Array([length, 70], changed), weight).ToArray();
        other[^90..].ShouldHaveTheBitsOf(y[^90..]);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(40)]
    public void Slices_give_what_their_copies_give(int length)
    {
        using Device tested = TestDevice.Open(2);
        DeviceArray x = tested.Array([2, length, 100], Samples.Normal(1, 200 * length)).Slice(9, 50);
        DeviceArray weight = tested.Array([30, 80], Samples.Normal(2, 2400)).Slice(20, 50);
        DeviceArray y = tested.Zeros([2, length, 64]).Slice(31, 30);

        tested.Linear(new() { X = x, Weight = weight, Y = y });

        DeviceArray expected = Functions.Linear(
            tested.Array(x.Shape, x.ToArray()), tested.Array(weight.Shape, weight.ToArray()));
        y.ToArray().ShouldHaveTheBitsOf(expected.ToArray());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(300)]
    public void Thread_count_changes_no_bit(int length)
    {
        float[] expected = Run(1);

        Run(2).ShouldHaveTheBitsOf(expected);
        Run(5).ShouldHaveTheBitsOf(expected);

        float[] Run(int threads)
        {
            using CpuDevice tested = TestDevice.Cpu(threads);
            return Functions.Linear(
                tested.Array([length, 300], Samples.Normal(1, length * 300)),
                tested.Array([500, 300], Samples.Normal(2, 500 * 300))).ToArray();
        }
    }

    [Fact]
    public void A_vector_gives_a_vector()
    {
        using Device tested = TestDevice.Open();

        DeviceArray y = Functions.Linear(
            tested.Array([2], [3, 4]), tested.Array([1, 2], [10, 100]), tested.Array([1], [5]));

        Shape expected = [1];
        y.Shape.Should().Be(expected);
        y.ToArray().Should().Equal(435);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    public void Nothing_is_allocated_on_the_managed_heap_after_the_first_time(int length)
    {
        Assert.SkipWhen(TestDevice.IsEmulation, "The start of an emulated kernel allocates.");
        using Device tested = TestDevice.Open(2);
        DeviceArray x = tested.Zeros([length, 100]), weight = tested.Zeros([200, 100]);
        Multiply();

        long allocated = Allocations.Of(Multiply);

        allocated.Should().Be(0);

        void Multiply()
        {
            using DeviceScope scope = tested.Scope();
            Functions.Linear(x, weight);
        }
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using Device tested = TestDevice.Open();
        DeviceArray x = tested.Zeros([2, 3, 4]);

        Action depth = () => Functions.Linear(x, tested.Zeros([6, 5]));
        Action rank = () => Functions.Linear(x, tested.Zeros([4]));
        Action start = () => Functions.Linear(x, tested.Zeros([6, 4]), default, tested.Zeros([3, 6]));
        Action bias = () => Functions.Linear(x, tested.Zeros([6, 4]), tested.Zeros([5]));

        depth.Should().Throw<ArgumentException>().WithMessage("Expected weights [N, 4]*[2, 3, 4]*found [6, 5]*");
        rank.Should().Throw<ArgumentException>().WithMessage("Expected weights [N, 4]*found [4]*");
        bias.Should().Throw<ArgumentException>().WithMessage("Expected a bias [6]; found [5]*");
        start.Should().Throw<ArgumentException>().WithMessage("Expected*start*[2, 3, 6]*found [3, 6]*");
    }

    private static DeviceArray[] Run(Device device, int length, int depth, int width, bool hasBias, bool hasStart)
    {
        // Of one sign, so that a gradient of a single element is a sum that does not cancel.
        DeviceArray x = device.Array([2, length, depth], Samples.Uniform(1, 2 * length * depth, 0, 2));
        DeviceArray weight = device.Array([width, depth], Samples.Normal(2, width * depth));
        DeviceArray bias = hasBias ? device.Array([width], Samples.Normal(3, width)) : default;
        using Tape tape = new(device);
        tape.Watch(x);
        tape.Watch(weight);
        DeviceArray start = hasStart
            ? device.Array([2, length, width], Samples.Normal(5, 2 * length * width))
            : default;
        DeviceArray[] optional = [.. new[] { bias, start }.Where(array => array.Exists)];
        Array.ForEach(optional, tape.Watch);

        DeviceArray y = Functions.Linear(x, weight, bias, start);
        tape.Backward((y, device.Array([2, length, width], Samples.Uniform(4, 2 * length * width, 0, 2))));
        return [y, tape.GradientOf(x), tape.GradientOf(weight), .. optional.Select(tape.GradientOf)];
    }
}
