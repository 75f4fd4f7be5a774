using System.Globalization;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace Mamba.Gpu.Native;

/// <summary>An open cuBLAS handle on a device's stream, with its own workspace.</summary>
internal sealed class BlasHandle : IDisposable
{
    // NVIDIA recommends this size for Hopper. With our own workspace, products can be captured in a graph.
    private const int WorkspaceBytes = 32 << 20;

    private readonly CudaAccelerator _accelerator;
    private readonly MemoryBuffer1D<byte, ILGPU.Stride1D.Dense> _workspace;

    private BlasHandle(CudaAccelerator accelerator, nint handle, CudaStream stream)
    {
        (_accelerator, Handle) = (accelerator, handle);
        _workspace = accelerator.Allocate1D<byte>(WorkspaceBytes);
        Check(CuBlas.SetStream(handle, stream.StreamPtr), "Choosing the stream of cuBLAS");
        Check(CuBlas.SetWorkspace(handle, _workspace.NativePtr, WorkspaceBytes), "Giving memory to cuBLAS");
        Check(CuBlas.GetVersion(handle, out int version), "Asking for the version of cuBLAS");
        Description = string.Create(
            CultureInfo.InvariantCulture, $"cuBLAS {version / 10000}.{version / 100 % 100}.{version % 100}");
    }

    public nint Handle { get; }

    public string Description { get; }

    /// <summary>Opens cuBLAS; null if it is not installed.</summary>
    public static BlasHandle? Open(CudaAccelerator accelerator, CudaStream stream)
    {
        if (!NativeLibraries.Has(CuBlas.Library))
        {
            return null;
        }

        accelerator.Bind();
        Check(CuBlas.Create(out nint handle), "Opening cuBLAS");
        return new(accelerator, handle, stream);
    }

    /// <summary>Throws if a cuBLAS call failed.</summary>
    public static void Check(int status, string what)
    {
        if (status != 0)
        {
            throw new InvalidOperationException($"{what} failed with cuBLAS status {status}.");
        }
    }

    public void Dispose()
    {
        _accelerator.Bind();
        _ = CuBlas.Destroy(Handle);
        _workspace.Dispose();
    }
}
