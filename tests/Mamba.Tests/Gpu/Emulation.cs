using ILGPU;
using ILGPU.Runtime;
using Mamba.Gpu;

namespace Mamba.Tests.Gpu;

/// <summary>An emulated accelerator, for tests of what is made of accelerators.</summary>
public sealed class Emulation : IDisposable
{
    private readonly Context _context = GpuContext.Create(GpuKind.Emulation, 4);

    public Emulation()
    {
        Accelerator = GpuContext.Open(_context, GpuContext.DevicesOf(_context, GpuKind.Emulation)[0]);
        Stream = Accelerator.CreateStream();
    }

    internal Accelerator Accelerator { get; }

    internal AcceleratorStream Stream { get; }

    public void Dispose()
    {
        Stream.Dispose();
        Accelerator.Dispose();
        _context.Dispose();
    }
}
