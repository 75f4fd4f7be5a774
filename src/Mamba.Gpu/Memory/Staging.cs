using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace Mamba.Gpu.Memory;

/// <summary>
/// Page-locked host memory, through which all transfers to and from the device go: copies from it are asynchronous.
/// </summary>
internal sealed class Staging(Accelerator accelerator, AcceleratorStream stream) : IDisposable
{
    private const int Bytes = 1 << 22;

    private readonly PageLockedArray1D<byte> _memory = accelerator.AllocatePageLocked1D<byte>(Bytes);
    private int _used;

    /// <summary>Copies to the device, in stream order; the caller may change the source on return.</summary>
    public void Upload<T>(ReadOnlySpan<T> source, ArrayView<byte> target)
        where T : unmanaged
    {
        for (long done = 0; !source.IsEmpty;)
        {
            if (_used == Bytes)
            {
                stream.Synchronize(); // copies of the whole buffer may still be pending
                _used = 0;
            }

            int count = Math.Min(source.Length, (Bytes - _used) / Unsafe.SizeOf<T>());
            ReadOnlySpan<byte> part = MemoryMarshal.AsBytes(source[..count]);
            part.CopyTo(_memory.Span[_used..]);
            CopyUp(_used, target.SubView(done, part.Length), part.Length);
            _used += part.Length;
            done += part.Length;
            source = source[count..];
        }

        _used = Math.Min(Bytes, (_used + 15) & ~15);
    }

    /// <summary>Copies from the device, and waits for the copy.</summary>
    public void Download<T>(ArrayView<byte> source, Span<T> target)
        where T : unmanaged
    {
        Span<byte> small = MemoryMarshal.AsBytes(target);
        if (small.Length <= Bytes - _used)
        {
            // Behind what is still being uploaded, so that a result of a few bytes costs one wait.
            CopyDown(_used, source.SubView(0, small.Length), small.Length);
            stream.Synchronize();
            _memory.Span.Slice(_used, small.Length).CopyTo(small);
            _used = 0;
            return;
        }

        stream.Synchronize();
        _used = 0;
        for (long done = 0; !target.IsEmpty;)
        {
            int count = Math.Min(target.Length, Bytes / Unsafe.SizeOf<T>());
            Span<byte> part = MemoryMarshal.AsBytes(target[..count]);
            CopyDown(0, source.SubView(done, part.Length), part.Length);
            stream.Synchronize();
            _memory.Span[..part.Length].CopyTo(part);
            done += part.Length;
            target = target[count..];
        }
    }

    // On CUDA, a view of the page-locked memory saves one ILGPU object per copy; on OpenCL it fails.
    private void CopyUp(int start, ArrayView<byte> target, int count)
    {
        if (stream is CudaStream)
        {
            _memory.ArrayView.SubView(start, count).CopyTo(stream, target);
        }
        else
        {
            target.CopyFromCPUUnsafeAsync(stream, ref _memory.Span[start], count);
        }
    }

    private void CopyDown(int start, ArrayView<byte> source, int count)
    {
        if (stream is CudaStream)
        {
            source.CopyTo(stream, _memory.ArrayView.SubView(start, count));
        }
        else
        {
            source.CopyToCPUUnsafeAsync(stream, ref _memory.Span[start], count);
        }
    }

    public void Dispose() => _memory.Dispose();
}
