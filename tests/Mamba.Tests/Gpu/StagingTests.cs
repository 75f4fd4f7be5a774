using ILGPU;
using ILGPU.Runtime;
using Mamba.Gpu.Memory;

namespace Mamba.Tests.Gpu;

/// <summary>The same against a driver that copies as late as it may: <see cref="CudaMemoryScenarios"/>.</summary>
public sealed class StagingTests(Emulation emulation) : IClassFixture<Emulation>
{
    private const int Bytes = 1 << 22; // what goes at once

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Bytes)]
    [InlineData(Bytes + 1)]
    [InlineData((3 * Bytes) - 7)]
    public void What_goes_to_the_device_comes_back(int count)
    {
        using Staging staging = new(emulation.Accelerator, emulation.Stream);
        using MemoryBuffer1D<byte, Stride1D.Dense> memory = emulation.Accelerator.Allocate1D<byte>(count + 1);
        byte[] source = [.. Enumerable.Range(0, count).Select(i => (byte)(i * 31))], target = new byte[count];
        ArrayView<byte> view = memory.View.AsContiguous().SubView(0, count);

        staging.Upload<byte>(source, view);
        staging.Download<byte>(view, target);

        target.AsSpan().SequenceEqual(source).Should().BeTrue();
    }

    [Fact]
    public void Many_small_copies_fill_the_memory_and_begin_anew()
    {
        const int Count = 3000, Size = 4001; // 12 MB
        using Staging staging = new(emulation.Accelerator, emulation.Stream);
        using MemoryBuffer1D<byte, Stride1D.Dense> memory = emulation.Accelerator.Allocate1D<byte>(Count * Size);
        ArrayView<byte> view = memory.View.AsContiguous();
        byte[] source = new byte[Size], target = new byte[Count * Size];

        for (int i = 0; i < Count; i++)
        {
            source.AsSpan().Fill((byte)i);
            staging.Upload<byte>(source, view.SubView(i * Size, Size));
        }

        staging.Download(view, target.AsSpan());

        target.Chunk(Size).Select((part, i) => part.AsSpan().ContainsAnyExcept((byte)i)).Should().NotContain(true);
    }
}
