using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Kernels;

public sealed class BroadcastTests
{
    // One operation, rounded.
    private const double Tolerance = 2e-7;

    // Blocks of 64 terms in float32, whose roundings of 6e-8 each mostly cancel; on a GPU sums of 32, in float32.
    private const double GradientTolerance = 1e-6;

    /// <summary>The larger shape, and the one that is repeated.</summary>
    public static TheoryData<int[], int[]> Shapes => new()
    {
        { [2, 5, 7], [7] },
        { [2, 5, 7], [5, 7] },
        { [2, 5, 7], [2, 1, 7] },
        { [2, 5, 7], [1, 5, 7] },
        { [2, 5, 7], [2, 5, 1] },
        { [2, 5, 7], [2, 1, 1] },
        { [2, 5, 7], [1] },
        { [2, 5, 7], [1, 1, 1] },
        { [1, 5, 7], [5, 7] },
        { [1, 5, 1], [1, 1] },
        { [3, 33, 1], [33, 1] },
        { [0, 5, 7], [7] },
        { [3, 0, 7], [3, 1, 7] },
        { [3, 4, 0], [3, 1, 0] },
        { [3, 4, 0], [3, 4, 1] },
        { [1], [1, 1] },
        { [70, 33], [33] },
        { [70, 33], [70, 1] },
        { [3, 70, 2, 4], [3, 1, 1, 4] },
        { [2, 3, 1, 4, 2, 3], [2, 1, 1, 1, 2, 3] },
        { [3, 300, 130], [130] },
        { [2, 3, 20_001], [2, 3, 1] },
        { [40_001], [1] },
        { [2, 9, 1100], [9, 1100] },
        { [700, 2, 3], [3] },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Matches_the_reference_with_either_operand_repeated(int[] large, int[] small)
    {
        string[] names = Shape.Create(large).Count > 10_000
            ? ["Multiply"] : ["Add", "Subtract", "Multiply", "Divide", "Maximum", "Minimum", "Gate"];
        foreach (string name in names)
        {
            Check(name, large, small).ShouldMatchTheReference(Tolerance, GradientTolerance);
            Check(name, small, large).ShouldMatchTheReference(Tolerance, GradientTolerance);
        }
    }

    [Fact]
    public void Reference_gradients_are_differences()
    {
        Check("Divide", [2, 3, 4], [2, 1, 4]).ShouldHaveTheDifferencesAsReferenceGradients();
        Check("Divide", [3, 4], [2, 3, 4]).ShouldHaveTheDifferencesAsReferenceGradients();
    }

    [Fact]
    public void Slices_give_the_bits_of_their_copies()
    {
        Check("Multiply", [2, 5, 33], [33]).ShouldGiveTheSameBitsOnSlices();
        Check("Divide", [2, 5, 1], [2, 5, 7]).ShouldGiveTheSameBitsOnSlices();
    }

    [Theory]
    [InlineData(new[] { 3, 900, 70 }, new[] { 70 })]
    [InlineData(new[] { 3, 900, 70 }, new[] { 3, 900, 1 })]
    [InlineData(new[] { 3, 900, 70 }, new[] { 1 })]
    [InlineData(new[] { 40, 3, 1030 }, new[] { 3, 1030 })]
    public void Thread_count_changes_no_bit(int[] large, int[] small) =>
        Check("Divide", large, small).ShouldGiveTheSameBitsOnAnyNumberOfThreads();

    [Fact]
    public void A_repeated_operand_gives_the_bits_of_a_whole_one()
    {
        float[] x = Samples.Normal(1, 3 * 67), w = Samples.Normal(2, 67);
        using Device device = TestDevice.Open(2);
        DeviceArray whole = device.Array([3, 67], [.. w, .. w, .. w]);

        float[] actual = Functions.Divide(device.Array([3, 67], x), device.Array([67], w)).ToArray();

        actual.ShouldHaveTheBitsOf(Functions.Divide(device.Array([3, 67], x), whole).ToArray());
    }

    [Fact]
    public void The_larger_shape_comes_out_whichever_operand_has_it()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([2, 2], [1, 2, 3, 4]), row = device.Array([2], [10, 20]);

        (x - row).ToArray().Should().Equal(-9, -18, -7, -16);
        (row - x).ToArray().Should().Equal(9, 18, 7, 16);
        (row - x).Shape.Should().Be(Shape.Create([2, 2]));
        (device.Array([1, 2], [10, 20]) - device.Array([2], [1, 2])).Shape.Should().Be(Shape.Create([1, 2]));
    }

    [Fact]
    public void An_array_and_its_own_part_get_both_gradients()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([2, 3], [1, 2, 3, 4, 5, 6]);
        using Tape tape = new(device);
        tape.Watch(x);

        tape.Backward(Functions.Sum(x * x.Slice(0, 1)));

        tape.GradientOf(x).ToArray().Should().Equal(1 + 6, 1, 1, 4 + 15, 4, 4);
    }

    [Theory]
    [InlineData(new[] { 2, 3 }, new[] { 3, 2 })]
    [InlineData(new[] { 2, 3 }, new[] { 2 })]
    [InlineData(new[] { 2, 1 }, new[] { 1, 3 })]
    [InlineData(new[] { 2, 3, 4 }, new[] { 2, 4 })]
    public void Other_shapes_are_refused(int[] a, int[] b)
    {
        using Device device = TestDevice.Open();

        Action add = () => Functions.Add(device.Zeros(Shape.Create(a)), device.Zeros(Shape.Create(b)));

        add.Should().Throw<ArgumentException>()
            .WithMessage($"Cannot combine {Shape.Create(a)} and {Shape.Create(b)}: expected*");
    }

    [Theory]
    [InlineData(new[] { 2, 3, 4 }, new[] { 1, 3, 1 })]
    [InlineData(new[] { 3, 1, 1, 4, 1 }, new[] { 3, 2, 1, 4, 5 })]
    public void Two_blocks_are_refused(int[] a, int[] b)
    {
        using Device device = TestDevice.Open();

        Action add = () => Functions.Add(device.Zeros(Shape.Create(a)), device.Zeros(Shape.Create(b)));

        add.Should().Throw<ArgumentException>()
            .WithMessage($"Cannot combine {Shape.Create(a)} and {Shape.Create(b)}: *two separate blocks*");
    }

    [Fact]
    public void Nothing_is_allocated_on_the_managed_heap_after_the_first_time()
    {
        Assert.SkipWhen(TestDevice.IsEmulation, "The start of an emulated kernel allocates.");
        using Device device = TestDevice.Open(2);
        DeviceArray x = device.Zeros([3, 40, 700]), w = device.Zeros([700]);
        Run();

        Allocations.Of(Run).Should().Be(0);

        void Run()
        {
            using DeviceScope scope = device.Scope();
            Functions.Add(w, Functions.Multiply(x, w));
        }
    }

    private static FunctionCheck Check(string name, int[] a, int[] b)
    {
        Shape left = Shape.Create(a), right = Shape.Create(b);
        float[] x = Samples.Uniform(1, (int)left.Count, 1, 2), y = Samples.Uniform(2, (int)right.Count, 1, 2);
        if (name is "Maximum" or "Minimum")
        {
            // Never nearly equal: the reference's derivatives are differences.
            x = Array.ConvertAll(x, value => MathF.Round(10 * value) / 10);
            y = Array.ConvertAll(y, value => (MathF.Round(10 * value) / 10) + 0.05f);
        }

        return new(
            x => name switch
            {
                "Add" => x[0] + x[1],
                "Subtract" => x[0] - x[1],
                "Multiply" => x[0] * x[1],
                "Divide" => x[0] / x[1],
                "Maximum" => Functions.Maximum(x[0], x[1]),
                "Minimum" => Functions.Minimum(x[0], x[1]),
                "Gate" => Functions.Gate(x[0], x[1]),
                _ => throw new ArgumentException($"No function is called {name}."),
            },
            (left, x),
            (right, y));
    }
}
