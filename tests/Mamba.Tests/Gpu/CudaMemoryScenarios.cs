using Mamba.Gpu;
using Mamba.Memory;
using Mamba.Tests.Gpu.Stub;

namespace Mamba.Tests.Gpu;

/// <summary>Memory of the device, and the way of numbers to it and back.</summary>
public sealed class CudaMemoryScenarios
{
    private const int StagingFloats = 1 << 20; // what goes at once

    private static readonly GpuOptions Cuda = new() { Kind = GpuKind.Cuda };

    [Scenario]
    public void Numbers_come_back_from_the_device()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        int[] counts = [1, 7, StagingFloats - 1, StagingFloats, StagingFloats + 3, (5 * StagingFloats) / 2];
        foreach (int count in counts)
        {
            using DeviceScope scope = device.Scope();
            float[] values = Numbers(count);

            device.Array([count], values).ToArray().ShouldHaveTheBitsOf(values, $"{count} numbers");
        }
    }

    [Scenario]
    public void Numbers_that_are_still_on_their_way_are_not_overwritten()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        float[][] values = [.. Enumerable.Range(0, 300).Select(i => Numbers(10007, seed: i))]; // three times what fits

        DeviceArray[] arrays = [.. values.Select(value => device.Array([value.Length], value))];

        for (int i = 0; i < arrays.Length; i++)
        {
            arrays[i].ToArray().ShouldHaveTheBitsOf(values[i], $"array {i}");
        }
    }

    [Scenario]
    public void A_source_may_change_as_soon_as_it_was_copied()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        float[] values = [1f, 2f, 3f];

        DeviceArray array = device.Array([3], values);
        values[1] = 9f;

        array.ToArray().Should().Equal(1f, 2f, 3f);
    }

    [Scenario]
    public void A_row_of_an_array_is_written_and_read_alone()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        DeviceArray array = device.Array([3, 5], new float[15]);

        array.RowRange(1, 1).CopyFrom([1f, 2f, 3f, 4f, 5f]);

        array.ToArray().Should().Equal(0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0);
        array.RowRange(1, 1).Slice(3, 2).ToArray().Should().Equal(4f, 5f);
    }

    [Scenario]
    public void A_device_is_used_by_another_thread_than_the_one_that_opened_it()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        float[] values = Numbers(2 * StagingFloats), found = [];
        Thread other = new(() =>
        {
            using DeviceScope scope = device.Scope();
            found = device.Array([values.Length], values).ToArray();
            device.Fill(device.Allocate([100]), 1f);
            DeviceArray a = device.Array([32, 32], new float[1024]);
            device.MatMul(a, false, a, true, device.Allocate([32, 32]), accumulate: false);
            device.Free(device.AllocateOwned([1 << 26]));
            device.Synchronize();
        });

        other.Start();
        other.Join();

        found.ShouldHaveTheBitsOf(values);
        StubLog.Lines().Should().NotContain(line => line.Contains("without context"));
    }

    [Scenario]
    public void Small_arrays_share_a_block_of_the_driver()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        for (int i = 0; i < 1000; i++)
        {
            device.Allocate([1000]);
        }

        StubLog.Lines("alloc").Should().HaveCount(2, "cuBLAS has its memory, and the arrays have one block");
        device.ReservedBytes.Should().Be(1 << 26);
    }

    [Scenario(Environment = ["MAMBA_STUB_MEMORY=300000000"])]
    public void Out_of_memory_says_what_was_asked_and_what_is_free_and_the_device_goes_on()
    {
        using GpuDevice device = GpuDevice.Open(Cuda); // cuBLAS takes 33,554,432

        device.Invoking(full => full.Allocate([1 << 28])).Should().Throw<InsufficientMemoryException>().WithMessage(
            "Asked for 1,073,741,824 bytes; 266,445,568 of the 300,000,000 bytes of Stub GPU are free.");

        device.AllocatedBytes.Should().Be(0);
        device.Array([3], [1f, 2f, 3f]).ToArray().Should().Equal(1f, 2f, 3f);
    }

    [Scenario(Environment = ["MAMBA_STUB_MEMORY=300000000"])]
    public void What_earlier_scopes_keep_is_given_back_before_memory_runs_out()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        using (device.Scope())
        {
            for (int i = 0; i < 24; i++)
            {
                device.Allocate([2_000_000]); // 8 MB, eight or less to a block
            }
        }

        device.ReservedBytes.Should().BeGreaterThan(190_000_000, "the pool keeps it for the next scope");
        DeviceArray large = device.Allocate([50_000_000]);

        large.Shape.Count.Should().Be(50_000_000);
        device.AllocatedBytes.Should().Be(200_000_000);
        device.ReservedBytes.Should().BeInRange(200_000_000, 200_000_256);
    }

    [Scenario(Environment = ["MAMBA_STUB_MEMORY=300000000"])]
    public void Arrays_that_live_are_not_given_back()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        float[] values = Numbers(1 << 20);
        DeviceArray kept = device.Array([values.Length], values);

        device.Invoking(full => full.Allocate([1 << 28])).Should().Throw<InsufficientMemoryException>();

        kept.ToArray().ShouldHaveTheBitsOf(values);
    }

    private static float[] Numbers(int count, int seed = 0) =>
        [.. Enumerable.Range(0, count).Select(i => (i * 0.5f) + seed)];
}
