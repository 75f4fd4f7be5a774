using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using Mamba.Gpu.Cuda;
using Mamba.Gpu.Kernels;

namespace Mamba.Gpu;

/// <summary>An open accelerator and its compiled kernels; several devices may share it.</summary>
internal sealed class GpuRuntime(Context context, Accelerator accelerator, GpuInfo info) : IDisposable
{
    private readonly Dictionary<Type, Delegate> _kernels = [];

    public Accelerator Accelerator { get; } = accelerator;

    public GpuInfo Info { get; } = info;

    /// <summary>Runs the kernels in CUDA C; null on devices that do not. A test may run them on the host.</summary>
    public ICudaLauncher? Cuda { get; set; } =
        accelerator is CudaAccelerator cuda && CudaKernels.RunOn(cuda) ? new CudaKernels(cuda) : null;

    /// <summary>Returns a kernel, and compiles it on first use.</summary>
    public Action<AcceleratorStream, KernelConfig, TKernel> Kernel<TKernel>()
        where TKernel : struct, IKernel
    {
        if (!_kernels.TryGetValue(typeof(TKernel), out Delegate? loaded))
        {
            loaded = Accelerator.LoadKernel<TKernel>(Entry.Run);
            _kernels.Add(typeof(TKernel), loaded);
        }

        return (Action<AcceleratorStream, KernelConfig, TKernel>)loaded;
    }

    public void Dispose()
    {
        Accelerator.Dispose();
        context.Dispose();
    }
}
