using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;
using Mamba.Gpu.Cuda;
using Mamba.Gpu.Kernels;
using Mamba.Gpu.Memory;
using Mamba.Gpu.Native;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

/// <content>Memory, and transfers between host and device.</content>
public sealed partial class GpuDevice
{
    /// <summary>Bytes that this device has allocated from its driver, used or not.</summary>
    public long ReservedBytes => _arena.ReservedBytes;

    private protected override Storage CreateStorage(nint length, Precision precision) =>
        precision is Precision.Float32 or Precision.BFloat16
            ? new GpuStorage(this, _arena, Rent(precision.Bytes(length)), length, precision)
            : throw new NotSupportedException(
                $"A GPU holds arrays of {Precision.Float32} and {Precision.BFloat16}; asked for {precision}.");

    internal override void Upload(ReadOnlySpan<float> source, DeviceArray target)
    {
        RequireNotRecording();
        if (target.Precision == Precision.Float32 && target.IsContiguous)
        {
            Stage(source, BytesOf(target));
            return;
        }

        using DeviceScope scope = Scope();
        DeviceArray whole = Allocate(target.Shape);
        Stage(source, BytesOf(whole));
        Copy(whole, target);
    }

    internal override void Download(DeviceArray source, Span<float> target)
    {
        RequireNotRecording();
        if (source.Precision == Precision.Float32 && source.IsContiguous)
        {
            _staging.Download(BytesOf(source), target);
            return;
        }

        using DeviceScope scope = Scope();
        DeviceArray whole = Allocate(source.Shape);
        Copy(source, whole);
        _staging.Download(BytesOf(whole), target);
    }

    internal override void UploadIndices(ReadOnlySpan<int> source, Storage target)
    {
        RequireNotRecording();
        ((GpuStorage)target).KeepOnHost(source);
        Stage(source, ((GpuStorage)target).Words.Cast<byte>());
    }

    private void Stage<T>(ReadOnlySpan<T> source, ArrayView<byte> target)
        where T : unmanaged
    {
        _mayOverlap = false;
        _staging.Upload(source, target);
    }

    /// <summary>A kernel's view of an array; <c>default</c> if it is absent.</summary>
    /// <exception cref="ArgumentException">The array is on another device.</exception>
    internal GpuRows RowsOf(DeviceArray array) => !array.Exists
        ? default
        : RowsOf(array, 0, array.Pitch, array.Offset % 4 == 0 && (array.Pitch % 4 == 0 || array.Shape.Rows <= 1));

    private GpuRows RowsOf(DeviceArray array, long offset, long pitch, bool aligned)
    {
        GpuStorage storage = (GpuStorage)Resolve(array.Storage);
        int kind = storage.Precision == Precision.Float32 ? GpuRows.Float32 : GpuRows.BFloat16;
        return new(storage.Words, array.Offset + offset, pitch, kind, aligned ? 1 : 0);
    }

    /// <summary>A kernel's view of a contiguous array as one row; <c>default</c> if it is absent.</summary>
    /// <exception cref="ArgumentException">The array is a slice, or on another device.</exception>
    internal GpuRows VectorOf(DeviceArray array)
    {
        if (!array.Exists)
        {
            return default;
        }

        RequireContiguous(array);
        return RowsOf(new DeviceArray(array.Storage, array.Offset, array.Shape, array.Shape.Width));
    }

    /// <summary>The rows of an array, for a kernel in CUDA C; <c>default</c> if it is absent.</summary>
    private CudaRows CudaRowsOf(DeviceArray array)
    {
        if (!array.Exists)
        {
            return default;
        }

        GpuStorage storage = (GpuStorage)Resolve(array.Storage);
        return new(
            storage.Address + storage.Precision.Bytes((nint)array.Offset),
            checked((int)array.Pitch),
            storage.Precision == Precision.BFloat16 ? 1 : 0);
    }

    /// <summary>The address of a contiguous array's first element; 0 if it is absent.</summary>
    private nint AddressOf(DeviceArray array)
    {
        if (array.Exists)
        {
            RequireContiguous(array);
        }

        return CudaRowsOf(array).Address;
    }

    private static void RequireContiguous(DeviceArray array)
    {
        if (!array.IsContiguous)
        {
            throw new ArgumentException($"Expected a contiguous array; found a slice {array.Shape}.");
        }
    }

    internal ArrayView<int> IntegersOf(IndexArray indices) => StorageOf(indices).Integers;

    /// <summary>The storage of indices, which also has a host copy.</summary>
    /// <exception cref="ArgumentException">The indices are on another device.</exception>
    private GpuStorage StorageOf(IndexArray indices) => (GpuStorage)Resolve(indices.Storage);

    /// <summary>Uploads integers into memory of the innermost scope.</summary>
    private ArrayView<int> UploadScratch(ReadOnlySpan<int> values)
    {
        RequireNotRecording();
        GpuStorage storage = (GpuStorage)Allocate([values.Length]).Storage;
        Stage(values, storage.Words.Cast<byte>());
        return storage.Integers;
    }

    /// <summary>
    /// A kernel's view of sequences. Offsets, and slots without a device copy, are uploaded into the operation's scope.
    /// </summary>
    private GpuSequences SequencesOf(in Sequences sequences) =>
        new(
            sequences.Segments is { } segments ? UploadScratch(segments.Offsets) : default,
            sequences.Count,
            sequences.CommonLength,
            sequences.Slots is not { } slots ? default
                : slots.OnDevice is { } rows ? IntegersOf(rows)
                : UploadScratch(slots.Rows),
            sequences.Slots is null ? 0 : 1);

    /// <summary>The same as <see cref="SequencesOf"/>, for a kernel in CUDA C.</summary>
    private CudaSequences CudaSequencesOf(in Sequences sequences)
    {
        GpuSequences own = SequencesOf(sequences);
        return new(
            sequences.Segments is null ? 0 : own.Offsets.LoadEffectiveAddressAsPtr(),
            sequences.Slots is null ? 0 : own.Slots.LoadEffectiveAddressAsPtr(),
            sequences.CommonLength,
            sequences.Count);
    }

    private static ArrayView<byte> BytesOf(DeviceArray contiguous) =>
        ((GpuStorage)contiguous.Storage).Words.SubView(contiguous.Offset, contiguous.Shape.Count).Cast<byte>();

    private protected override void Trimmed()
    {
        _runtime.Accelerator.Bind(); // any thread may trim
        _arena.Trim();
    }

    /// <summary>Allocates memory. If the driver has none left, it trims the pools and tries again.</summary>
    private GpuArena.Piece Rent(long bytes)
    {
        try
        {
            return _arena.Rent(bytes);
        }
        catch (Exception first) when (IsOutOfMemory(first))
        {
            TrimPool();
            ForgetFailures();
            try
            {
                return _arena.Rent(bytes);
            }
            catch (Exception second) when (IsOutOfMemory(second))
            {
                ForgetFailures();
                throw new InsufficientMemoryException(
                    $"Asked for {bytes:N0} bytes; {FreeBytes():N0} of the {Info.MemoryBytes:N0} bytes of {Info.Name} " +
                    "are free.");
            }
        }
    }

    /// <summary>
    /// Finalizes buffers whose allocation failed. Otherwise ILGPU frees their null address when the accelerator is
    /// disposed, and throws.
    /// </summary>
    private static void ForgetFailures()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    private long FreeBytes()
    {
        if (_runtime.Accelerator is not CudaAccelerator)
        {
            return Info.MemoryBytes - ReservedBytes; // OpenCL does not report free memory
        }

        _runtime.Accelerator.Bind();
        CudaDriver.Check(CudaDriver.MemGetInfo(out nuint free, out _), "Asking for free memory");
        return (long)free;
    }

    private static bool IsOutOfMemory(Exception exception) => exception is
        OutOfMemoryException
        or CudaException { Error: "CUDA_ERROR_OUT_OF_MEMORY" }
        or CLException { Error: CLError.CL_MEM_OBJECT_ALLOCATION_FAILURE or CLError.CL_INVALID_BUFFER_SIZE
            or CLError.CL_OUT_OF_HOST_MEMORY or CLError.CL_OUT_OF_RESOURCES };
}
