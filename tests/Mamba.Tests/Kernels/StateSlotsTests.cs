using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.Kernels;

/// <summary>Steps over some rows of a pool of states.</summary>
public sealed class StateSlotsTests
{
    private const int Pool = 5;

    private static readonly int[] Rows = [4, 0, 2];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_scan_step_works_on_its_rows_of_the_pool(bool isComplex)
    {
        const int Channels = 70, States = 6;
        int parts = isComplex ? 2 : 1;
        using Device device = TestDevice.Open(2);
        ScanInputs inputs = new()
        {
            X = Normal(device, 1, [3, Channels]),
            Delta = Normal(device, 2, [3, Channels]),
            A = isComplex ? Normal(device, 3, [2, States, Channels]) : Normal(device, 3, [States, Channels]),
            B = Normal(device, 4, [3, States * parts]),
            C = Normal(device, 5, [3, States * parts]),
            Softplus = true,
        };
        ShouldWorkOnItsRows(
            device,
            isComplex ? [Pool, 2, States, Channels] : [Pool, States, Channels],
            (state, slots) => Functions.SelectiveScanStep(inputs, state, slots));
    }

    [Fact]
    public void An_SSD_step_works_on_its_rows_of_the_pool()
    {
        const int Heads = 3, HeadDim = 10, States = 12;
        using Device device = TestDevice.Open(2);
        SsdInputs inputs = new()
        {
            X = Normal(device, 1, [3, Heads * HeadDim]),
            Delta = Normal(device, 2, [3, Heads]),
            A = device.Array([Heads], [-1, -0.5f, -2]),
            B = Normal(device, 4, [3, States]),
            C = Normal(device, 5, [3, States]),
            Softplus = true,
        };
        ShouldWorkOnItsRows(
            device,
            [Pool, Heads, HeadDim, States],
            (state, slots) => Functions.SsdStep(inputs, state, slots));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(9)]
    public void A_convolution_step_works_on_its_rows_of_the_pool(int length)
    {
        const int Channels = 37;
        using Device device = TestDevice.Open(2);
        DeviceArray x = Normal(device, 1, [3, length, Channels]), weight = Normal(device, 2, [4, Channels]);
        ShouldWorkOnItsRows(
            device,
            [Pool, 3, Channels],
            (window, slots) => Functions.CausalConvolutionStep(x, weight, default, true, window, slots));
    }

    [Fact]
    public void Slots_that_do_not_fit_are_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 1, 4]), weight = device.Zeros([3, 4]), pool = device.Zeros([5, 2, 4]);

        Action Step(params int[] rows) =>
            () => Functions.CausalConvolutionStep(x, weight, default, false, pool, StateSlots.Of(rows));

        Step(1).Should().Throw<ArgumentException>().WithMessage("Expected 2 slots, one for each sequence; found 1*");
        Step(1, 5).Should().Throw<ArgumentException>().WithMessage("Slot 5 lies outside a pool of 5 states*");
        Step(3, 3).Should().Throw<ArgumentException>().WithMessage("Expected each row once; found row 3 twice*");
        Step(0, -1).Should().Throw<ArgumentOutOfRangeException>();
        Step(4, 0).Should().NotThrow();
    }

    [Fact]
    public void A_step_over_slots_allocates_nothing()
    {
        Assert.SkipUnless(TestDevice.IsCpu, "Slots are copied to a GPU.");
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 1, 4]), weight = device.Zeros([3, 4]), pool = device.Zeros([5, 2, 4]);
        StateSlots slots = StateSlots.Of(4, 1);
        Step();

        Allocations.Of(Step).Should().Be(0);

        void Step()
        {
            using DeviceScope scope = device.Scope();
            Functions.CausalConvolutionStep(x, weight, default, false, pool, slots);
        }
    }

    /// <summary>Compares with a step over copies of the rows, and the other rows with what they were.</summary>
    private static void ShouldWorkOnItsRows(
        Device device, Shape shape, Func<DeviceArray, StateSlots?, DeviceArray> step)
    {
        int size = (int)shape.Count / Pool;
        float[] before = Samples.Normal(9, Pool * size);
        int[] own = shape.ToArray();
        own[0] = Rows.Length;
        DeviceArray pool = device.Array(shape, before);
        DeviceArray alone = device.Array(
            Shape.Create(own), [.. Rows.SelectMany(row => before[(row * size)..((row + 1) * size)])]);

        float[] y = step(pool, StateSlots.Of(Rows)).ToArray();

        y.ShouldHaveTheBitsOf(step(alone, null).ToArray());
        float[] after = pool.ToArray(), expected = alone.ToArray();
        for (int row = 0; row < Pool; row++)
        {
            int place = Array.IndexOf(Rows, row);
            after[(row * size)..((row + 1) * size)].ShouldHaveTheBitsOf(
                place < 0 ? before[(row * size)..((row + 1) * size)] : expected[(place * size)..((place + 1) * size)]);
        }
    }

    private static DeviceArray Normal(Device device, int seed, Shape shape) =>
        device.Array(shape, Samples.Normal(seed, (int)shape.Count));
}
