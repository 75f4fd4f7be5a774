using System.Globalization;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using Mamba.Gpu.Cuda;
using Mamba.Gpu.Kernels;
using Mamba.Gpu.Memory;
using Mamba.Gpu.Native;
using Mamba.Memory;

namespace Mamba.Gpu;

/// <summary>A GPU, on which every layer, model and training program runs unchanged.</summary>
/// <remarks>
/// Operations are queued and run in order; only reading a result waits. No result depends on the order in which threads
/// run, so the same input gives the same bits in every run.
/// </remarks>
/// <example>
/// <code>
/// foreach (GpuInfo gpu in GpuDevice.Find())
/// {
///     Console.WriteLine(gpu);
/// }
///
/// using GpuDevice device = GpuDevice.Open(new() { Precision = Precision.BFloat16 });
/// using MambaMixer mixer = new(device, new() { ModelDim = 64 }, new Random(1));
/// </code>
/// </example>
public sealed partial class GpuDevice : Mamba.Devices.Device
{
    private readonly GpuRuntime _runtime;
    private readonly bool _ownsRuntime;
    private readonly AcceleratorStream _stream;
    private readonly GpuArena _arena;
    private readonly Staging _staging;
    private readonly BlasHandle? _blas;
    private readonly GpuOptions _options;

    // Whether the last work in the stream was a kernel that lets the next one start early. A chain of them writes no
    // weights, and its first kernel has waited for all work before: so every kernel in it may read weights at once.
    private bool _mayOverlap;

    private GpuDevice(GpuRuntime runtime, bool ownsRuntime, GpuOptions options)
    {
        (_runtime, _ownsRuntime, _options) = (runtime, ownsRuntime, options);
        Accelerator accelerator = runtime.Accelerator;
        accelerator.Bind();
        _stream = accelerator.CreateStream();
        _arena = new(accelerator, accelerator is CudaAccelerator ? 1L << 26 : 1L << 20);
        _staging = new(accelerator, _stream);
        _blas = accelerator is CudaAccelerator cuda ? BlasHandle.Open(cuda, (CudaStream)_stream) : null;
        GroupSize = Math.Min(GroupSum.MaxThreads, accelerator.MaxNumThreadsPerGroup);
    }

    /// <summary>Name, memory and capability of this device.</summary>
    public GpuInfo Info => _runtime.Info;

    /// <inheritdoc/>
    public override string Description => string.Create(
        CultureInfo.InvariantCulture,
        $"{Info}; {_options.Precision}; products by {_blas?.Description ?? "ILGPU kernels"}");

    /// <summary>Threads of a group, a power of two.</summary>
    internal int GroupSize { get; }

    internal override Precision ActivationPrecision => _options.Precision;

    /// <summary>Lists the devices of this machine, CUDA devices first.</summary>
    /// <returns>The devices; empty if no driver is installed.</returns>
    public static IReadOnlyList<GpuInfo> Find() => [.. Find(GpuKind.Cuda), .. Find(GpuKind.OpenCL)];

    /// <summary>Opens a device.</summary>
    /// <param name="options">The device and its numeric options; null for the first GPU with default options.</param>
    /// <returns>The device; the caller disposes it.</returns>
    /// <exception cref="NotSupportedException">
    /// The device does not exist; the message says which devices do, or why none does.
    /// </exception>
    public static GpuDevice Open(GpuOptions? options = null)
    {
        options ??= new();
        options.Validate();
        GpuKind[] kinds = options.Kind is { } one ? [one] : [GpuKind.Cuda, GpuKind.OpenCL];
        foreach (GpuKind kind in kinds)
        {
            if (TryOpen(kind, options) is { } device)
            {
                return device;
            }
        }

        string reasons = string.Join("; ", kinds.Select(kind => ReasonFor(kind, options)));
        throw new NotSupportedException($"There is no device {options.Index} to compute on. {reasons}.");
    }

    /// <summary>
    /// Opens another device on the same accelerator, with its own memory and stream. Dispose it before this one.
    /// </summary>
    internal GpuDevice Share(GpuOptions? options = null) => new(_runtime, ownsRuntime: false, options ?? _options);

    /// <summary>Waits until all queued work is done.</summary>
    public void Synchronize() => _stream.Synchronize();

    /// <summary>Queues a kernel.</summary>
    /// <param name="kernel">The kernel with its arguments.</param>
    /// <param name="groups">Number of groups, x and y; 0 launches nothing.</param>
    /// <param name="threads">
    /// Threads of a group, x and y: powers of two, whose product is at most <see cref="GroupSize"/>.
    /// </param>
    internal void Launch<TKernel>(in TKernel kernel, (long X, int Y) groups, (int X, int Y) threads)
        where TKernel : struct, IKernel
    {
        if (groups.X == 0 || groups.Y == 0)
        {
            return;
        }

        KernelConfig config = new((checked((int)groups.X), groups.Y, 1), (threads.X, threads.Y, 1));
        lock (_runtime)
        {
            // Devices on several threads may share the runtime, and OpenCL sets a kernel's arguments one by one.
            using GpuProfile.Span span = Profile?.Measure(NameOf(typeof(TKernel))) ?? default;
            _mayOverlap = false;
            _runtime.Kernel<TKernel>()(_stream, config, kernel);
        }
    }

    /// <summary>Queues a kernel with a one-dimensional grid.</summary>
    internal void Launch<TKernel>(in TKernel kernel, long groups, (int X, int Y) threads)
        where TKernel : struct, IKernel => Launch(kernel, (groups, 1), threads);

    /// <summary>Queues a kernel with a one-dimensional grid and one-dimensional groups.</summary>
    internal void Launch<TKernel>(in TKernel kernel, long groups, int threads)
        where TKernel : struct, IKernel => Launch(kernel, groups, (threads, 1));

    /// <summary>Queues a kernel in CUDA C, on a device that has <see cref="HasCudaC"/>.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="arguments">Its argument.</param>
    /// <param name="groups">Number of groups, x and y; 0 launches nothing.</param>
    /// <param name="threads">Threads of a group, x and y.</param>
    /// <param name="sharedBytes">Bytes of dynamic shared memory; null for the kernel's own number.</param>
    private unsafe void Launch<TArguments>(
        CudaFunction kernel,
        in TArguments arguments,
        (int X, int Y) groups,
        (int X, int Y) threads,
        int? sharedBytes = null)
        where TArguments : unmanaged
    {
        if (groups.X == 0 || groups.Y == 0)
        {
            return;
        }

        LaunchesInCudaC++;
        lock (_runtime)
        {
            using GpuProfile.Span span = Profile?.Measure(kernel.Name) ?? default;
            CudaLaunch launch = new(
                groups, threads, sharedBytes ?? kernel.SharedBytes, kernel.Overlaps && _mayOverlap && Profile is null);
            fixed (TArguments* pointer = &arguments)
            {
                _runtime.Cuda!.Launch(kernel, pointer, launch, _stream);
            }

            _mayOverlap = kernel.Overlaps;
        }
    }

    /// <summary>Measures every launch of a CUDA device while it is set; null by default.</summary>
    internal GpuProfile? Profile { get; private set; }

    /// <summary>Measures every launch from now on, on a CUDA device.</summary>
    internal GpuProfile StartProfile() => Profile = new((CudaStream)_stream);

    private static string NameOf(Type kernel) => kernel.IsGenericType
        ? $"{kernel.Name.Split('`')[0]}<{string.Join(", ", kernel.GetGenericArguments().Select(NameOf))}>"
        : kernel.Name;

    /// <summary>Whether this device runs the kernels in CUDA C.</summary>
    private bool HasCudaC => _options.CudaKernels && _runtime.Cuda is not null;

    /// <summary>Number of kernels in CUDA C that were launched.</summary>
    internal long LaunchesInCudaC { get; private set; }

    /// <summary>Runs the kernels in CUDA C by other means than the driver.</summary>
    internal void RunCudaBy(ICudaLauncher launcher) => _runtime.Cuda = launcher;

    /// <summary>False: only one thread at a time may use the stream, the graphs and the cuBLAS handle.</summary>
    internal override bool AllowsManyThreads => false;

    internal override bool CanRecord => _stream is CudaStream && Profile is null; // a graph is one launch

    private protected override Recording.IReplay? Record(Action work)
    {
        _mayOverlap = false;
        CudaGraph? graph = CudaGraph.Capture((CudaAccelerator)_runtime.Accelerator, (CudaStream)_stream, work);
        _mayOverlap = false;
        return graph;
    }

    /// <summary>Number of groups of <paramref name="size"/> that cover <paramref name="count"/> elements.</summary>
    internal static long Groups(long count, int size) => (count + size - 1) / size;

    /// <summary>A message that says why no device of a kind was opened: it lists those that exist.</summary>
    private static string ReasonFor(GpuKind kind, GpuOptions options)
    {
        IReadOnlyList<GpuInfo> found = Find(kind);
        string names = string.Join(", ", found.Select(device => device.Name));
        return found.Count == 0 ? GpuContext.ReasonFor(kind)
            : $"{kind}: there {(found.Count == 1 ? "is" : "are")} {found.Count}, {names}"
                + (options.Kind is null
                    ? $", and no GPU {options.Index} among them (others are opened by their kind)"
                    : "");
    }

    private static IReadOnlyList<GpuInfo> Find(GpuKind kind)
    {
        using Context context = GpuContext.Create(kind, new GpuOptions().EmulatedGroupSize);
        return [.. GpuContext.DevicesOf(context, kind).Select((device, i) => GpuContext.InfoOf(device, kind, i))];
    }

    private static GpuDevice? TryOpen(GpuKind kind, GpuOptions options)
    {
        Context context = GpuContext.Create(kind, options.EmulatedGroupSize);
        try
        {
            ILGPU.Runtime.Device[] all = GpuContext.DevicesOf(context, kind);

            // A CPU that an OpenCL driver lists is opened only if OpenCL is asked for by name.
            ILGPU.Runtime.Device[] devices = options.Kind is null ? [.. all.Where(GpuContext.IsGpu)] : all;
            if (options.Index >= devices.Length)
            {
                context.Dispose();
                return null;
            }

            ILGPU.Runtime.Device chosen = devices[options.Index];
            GpuInfo info = GpuContext.InfoOf(chosen, kind, System.Array.IndexOf(all, chosen));
            return new(new(context, GpuContext.Open(context, chosen), info), ownsRuntime: true, options);
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    private protected override void Close()
    {
        _stream.Synchronize();
        Profile?.Dispose();
        _blas?.Dispose();
        _staging.Dispose();
        _arena.Dispose();
        _stream.Dispose();
        if (_ownsRuntime)
        {
            _runtime.Dispose();
        }
    }
}
