using System.Runtime.CompilerServices;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using Mamba.Gpu.Native;

namespace Mamba.Gpu.Cuda;

/// <summary>
/// The kernels written in CUDA C, from the PTX in this assembly, which the driver compiles. They need compute
/// capability 8.0, and a driver for CUDA 12.4, which understands PTX 8.4.
/// </summary>
/// <remarks>
/// PTX is compiled from the sources beside this file when the project is developed, so a user installs no compiler.
/// ILGPU's kernels compute the same on all other devices, and every case that these do not take.
/// </remarks>
internal sealed unsafe class CudaKernels(CudaAccelerator accelerator) : ICudaLauncher
{
    private readonly Dictionary<string, nint> _modules = [];
    private readonly Dictionary<CudaFunction, nint> _functions = [];

    /// <summary>Whether a device runs these kernels.</summary>
    public static bool RunOn(CudaAccelerator accelerator) =>
        accelerator.Architecture >= CudaArchitecture.SM_80
        && accelerator.InstructionSet >= CudaInstructionSet.ISA_84;

    public int MaxSharedBytes { get; } =
        CudaAPI.CurrentAPI.GetDeviceAttribute(CudaDriver.MaxSharedBytesOfGroup, accelerator.DeviceId);

    public void Launch(
        CudaFunction kernel, void* arguments, (int X, int Y) groups, (int X, int Y) threads, AcceleratorStream stream)
    {
        accelerator.Bind();
        int status = CudaDriver.LaunchKernel(
            FunctionOf(kernel), (uint)groups.X, (uint)groups.Y, 1, (uint)threads.X, (uint)threads.Y, 1,
            (uint)kernel.SharedBytes, ((CudaStream)stream).StreamPtr, &arguments, null);
        if (status != 0)
        {
            CudaDriver.Check(status, $"Starting {kernel.Name}"); // the text is made for a failure only
        }
    }

    /// <summary>The PTX of a source file, from this assembly's resources.</summary>
    internal static byte[] PtxOf(string file)
    {
        using Stream stream = typeof(CudaKernels).Assembly.GetManifestResourceStream($"{file}.ptx")
            ?? throw new ArgumentException($"Expected a file of kernels; found \"{file}\".", nameof(file));
        byte[] text = new byte[stream.Length + 1]; // the driver reads up to a zero
        stream.ReadExactly(text, 0, (int)stream.Length);
        return text;
    }

    private nint FunctionOf(CudaFunction kernel)
    {
        if (_functions.TryGetValue(kernel, out nint function))
        {
            return function;
        }

        CudaDriver.Check(
            CudaDriver.ModuleGetFunction(out function, ModuleOf(kernel.File), kernel.Name),
            $"Finding the kernel {kernel.Name}");
        if (kernel.SharedBytes > 0)
        {
            CudaDriver.Check(
                CudaDriver.FuncSetAttribute(function, CudaDriver.MaxDynamicSharedBytes, kernel.SharedBytes),
                $"Asking for {kernel.SharedBytes:N0} bytes of shared memory for {kernel.Name}");
        }

        _functions.Add(kernel, function);
        return function;
    }

    // The driver frees modules with the accelerator's context.
    private nint ModuleOf(string file)
    {
        if (!_modules.TryGetValue(file, out nint module))
        {
            fixed (byte* text = PtxOf(file))
            {
                CudaDriver.Check(CudaDriver.ModuleLoadData(out module, text), $"Compiling the kernels of {file}");
            }

            _modules.Add(file, module);
        }

        return module;
    }
}

/// <summary>Runs kernels in CUDA C.</summary>
internal unsafe interface ICudaLauncher
{
    /// <summary>The most shared memory that a kernel may ask for, in bytes.</summary>
    int MaxSharedBytes { get; }

    /// <summary>Queues a kernel.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="arguments">Its only argument, a structure with the layout of the source's.</param>
    /// <param name="groups">Number of groups, x and y.</param>
    /// <param name="threads">Threads of a group, x and y.</param>
    /// <param name="stream">The stream.</param>
    void Launch(
        CudaFunction kernel, void* arguments, (int X, int Y) groups, (int X, int Y) threads, AcceleratorStream stream);
}

/// <summary>A kernel in CUDA C.</summary>
/// <param name="File">The source file, without its ending.</param>
/// <param name="Name">The kernel's name in it.</param>
/// <param name="SharedBytes">Bytes of dynamic shared memory.</param>
internal sealed record CudaFunction(string File, string Name, int SharedBytes = 0)
{
    public bool Equals(CudaFunction? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);
}
