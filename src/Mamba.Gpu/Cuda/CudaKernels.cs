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

    public void Launch(CudaFunction kernel, void* arguments, in CudaLaunch launch, AcceleratorStream stream)
    {
        accelerator.Bind();
        CudaLaunchAttribute overlap = new() { Id = CudaLaunchAttribute.Overlap, Value = 1 };
        CudaLaunchConfig config = new()
        {
            GroupsX = (uint)launch.Groups.X,
            GroupsY = (uint)launch.Groups.Y,
            GroupsZ = 1,
            ThreadsX = (uint)launch.Threads.X,
            ThreadsY = (uint)launch.Threads.Y,
            ThreadsZ = 1,
            SharedBytes = (uint)launch.SharedBytes,
            Stream = ((CudaStream)stream).StreamPtr,
            Attributes = &overlap,
            AttributeCount = launch.Overlaps && CanOverlap ? 1u : 0,
        };
        int status = CudaDriver.LaunchKernelEx(&config, FunctionOf(kernel), &arguments, null);
        if (status != 0)
        {
            CudaDriver.Check(status, $"Starting {kernel.Name}"); // the text is made for a failure only
        }
    }

    /// <summary>Whether the device starts a kernel before the one before it has ended.</summary>
    private bool CanOverlap => accelerator.Architecture >= CudaArchitecture.SM_90;

    /// <summary>The PTX of a source file, from this assembly's resources.</summary>
    /// <param name="source">
    /// The source file without its ending; with "-90" for the PTX of compute capability 9.0, if there is one.
    /// </param>
    internal static byte[] PtxOf(string source)
    {
        using Stream stream = typeof(CudaKernels).Assembly.GetManifestResourceStream($"{source}.ptx")
            ?? throw new ArgumentException($"Expected a file of kernels; found \"{source}\".", nameof(source));
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
            // Kernels that overlap have a second PTX, because the instructions for it need 9.0.
            bool isOverlapping = CanOverlap && file == CudaDecode.File;
            fixed (byte* text = PtxOf(isOverlapping ? $"{file}-90" : file))
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
    /// <param name="launch">Groups, threads and shared memory.</param>
    /// <param name="stream">The stream.</param>
    void Launch(CudaFunction kernel, void* arguments, in CudaLaunch launch, AcceleratorStream stream);
}

/// <summary>How a kernel in CUDA C is started.</summary>
/// <param name="Groups">Number of groups, x and y.</param>
/// <param name="Threads">Threads of a group, x and y.</param>
/// <param name="SharedBytes">Bytes of dynamic shared memory of a group.</param>
/// <param name="Overlaps">Whether it may start before the kernel before it has ended.</param>
internal readonly record struct CudaLaunch(
    (int X, int Y) Groups, (int X, int Y) Threads, int SharedBytes, bool Overlaps);

/// <summary>A kernel in CUDA C.</summary>
/// <param name="File">The source file, without its ending.</param>
/// <param name="Name">The kernel's name in it.</param>
/// <param name="SharedBytes">
/// Bytes of dynamic shared memory. A launch may ask for another number, up to 48 KB.
/// </param>
/// <param name="Overlaps">
/// Whether the kernel lets the next one start early, and itself waits for the one before it: until then it reads only
/// weights.
/// </param>
internal sealed record CudaFunction(string File, string Name, int SharedBytes = 0, bool Overlaps = false)
{
    public bool Equals(CudaFunction? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);
}
