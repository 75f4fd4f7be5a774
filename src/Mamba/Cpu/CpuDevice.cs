using System.Runtime.CompilerServices;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Simd;

namespace Mamba.Cpu;

/// <summary>Computes on the CPU, with its widest SIMD registers.</summary>
/// <remarks>
/// Every operation is split into pieces that do not depend on the number of threads, so the same input gives the same
/// bits with one thread or many. Results may differ in the last bits between processors of different register widths.
/// </remarks>
/// <example>
/// <code>
/// using CpuDevice device = new();                                       // a thread for every physical core
/// using DeviceScope scope = device.Scope();                             // frees its arrays at the end
/// DeviceArray x = device.Array([2, 2], [1, 2, 3, 4]);
/// float[] sums = Functions.Sum(x, 1).ToArray();                         // 3, 7
/// </code>
/// </example>
public sealed unsafe partial class CpuDevice : Device
{
    /// <summary>
    /// Maximum number of threads of a device. The runtime ends the process if the system refuses a thread; usual limits
    /// refuse 20,000.
    /// </summary>
    public const int MaxThreads = 1024;

    private readonly Workers _workers;

    /// <summary>Opens a device.</summary>
    /// <param name="threads">
    /// Number of threads, including the calling one. Null: one per physical core that the process may use, at most
    /// <see cref="Environment.ProcessorCount"/>, which a container's quota limits. Hyper-threads are not counted: they
    /// share the vector units of a core, which one thread keeps busy.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="threads"/> is less than 1 or more than <see cref="MaxThreads"/>.
    /// </exception>
    public CpuDevice(int? threads = null) =>
        _workers = new(threads ?? Math.Min(PhysicalCores.Count, MaxThreads));

    /// <summary>Number of threads, including the calling one.</summary>
    public int Threads => _workers.Count;

    /// <inheritdoc/>
    public override string Description
    {
        get
        {
            int bits = Width.Has512 ? 512 : Width.Has256 ? 256 : Width.Has128 ? 128 : 32;
            return $"CPU, {Threads} thread{(Threads == 1 ? "" : "s")}, {bits}-bit registers";
        }
    }

    internal override bool RentsExactSizes => CpuStorage.EndsAtGuardPages;

    private protected override Storage CreateStorage(nint length, Precision precision) =>
        new CpuStorage(this, length, precision);

    private protected override void Close() => _workers.Dispose();

    internal override void Upload(ReadOnlySpan<float> source, DeviceArray target)
    {
        if (target.Precision != Precision.Float32)
        {
            fixed (float* values = source)
            {
                Narrow(new(values, target.Shape.Width), target);
            }

            return;
        }

        Rows rows = RowsOf(target);
        int width = target.Shape.Width;
        for (nint row = 0; row < target.Shape.Rows; row++)
        {
            source.Slice((int)(row * width), width).CopyTo(new(rows[row], width));
        }
    }

    internal override void Download(DeviceArray source, Span<float> target)
    {
        if (source.Precision != Precision.Float32)
        {
            fixed (float* values = target)
            {
                Widen(source, new(values, source.Shape.Width));
            }

            return;
        }

        Rows rows = RowsOf(source);
        int width = source.Shape.Width;
        for (nint row = 0; row < source.Shape.Rows; row++)
        {
            new ReadOnlySpan<float>(rows[row], width).CopyTo(target[(int)(row * width)..]);
        }
    }

    internal override void UploadIndices(ReadOnlySpan<int> source, Storage target) =>
        source.CopyTo(new(((CpuStorage)target).Pointer, source.Length));

    /// <summary>The array's memory; null if it is absent.</summary>
    /// <exception cref="ArgumentException">The array is on another device, or its elements are not float32.</exception>
    private Rows RowsOf(DeviceArray array)
    {
        if (!array.Exists)
        {
            return default;
        }

        CpuStorage storage = StorageOf(array);
        return storage.Precision == Precision.Float32
            ? new(storage.Pointer + array.Offset, array.Pitch)
            : throw new ArgumentException(
                $"Expected an array of {Precision.Float32}; found {array.Shape} of {storage.Precision}. On a CPU, " +
                "narrow arrays are weights of linear maps and embeddings.");
    }

    /// <exception cref="ArgumentException">The array is on another device.</exception>
    private CpuStorage StorageOf(DeviceArray array) => (CpuStorage)Resolve(array.Storage);

    /// <summary>The start of a contiguous array; null if it is absent.</summary>
    /// <exception cref="ArgumentException">The array is a slice, or on another device.</exception>
    private float* StartOf(DeviceArray array)
    {
        if (array.Exists && !array.IsContiguous)
        {
            throw new ArgumentException($"Expected a contiguous array; found a slice {array.Shape}.");
        }

        return RowsOf(array).Origin;
    }

    private int* StartOf(IndexArray indices) => (int*)((CpuStorage)Resolve(indices.Storage)).Pointer;

    /// <summary>Runs every item of a job on the threads of the device.</summary>
    private void Run<TJob>(TJob job, int items)
        where TJob : struct, IJob =>
        _workers.Run(&RunItem<TJob>, Unsafe.AsPointer(ref job), items);

    private static void RunItem<TJob>(void* job, int item)
        where TJob : struct, IJob =>
        Unsafe.AsRef<TJob>(job).Run(item);
}
