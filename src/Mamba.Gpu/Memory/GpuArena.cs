using ILGPU;
using ILGPU.Runtime;

namespace Mamba.Gpu.Memory;

/// <summary>
/// Allocates large blocks from the driver and rents out pieces of them, because the driver's allocation is slow and
/// waits for the device. A piece larger than a block has its own block, which is freed with it.
/// </summary>
internal sealed class GpuArena(Accelerator accelerator, long blockBytes) : IDisposable
{
    /// <summary>Alignment of every piece in bytes.</summary>
    private const long Alignment = 256;

    private readonly List<Block> _blocks = [];

    /// <summary>Bytes allocated from the driver.</summary>
    public long ReservedBytes => _blocks.Sum(block => block.Buffer.LengthInBytes);

    /// <summary>Rents a piece of memory, which is not cleared.</summary>
    /// <exception cref="Exception">The driver is out of memory; the type depends on the driver.</exception>
    public Piece Rent(long bytes)
    {
        long size = Math.Max(bytes + Alignment - 1, Alignment) / Alignment * Alignment;
        foreach (Block block in _blocks)
        {
            if (block.TryRent(size, out Piece piece))
            {
                return piece;
            }
        }

        Block fresh = new(accelerator.Allocate1D<byte>(Math.Max(size, blockBytes)));
        _blocks.Add(fresh);
        fresh.TryRent(size, out Piece first);
        return first;
    }

    public void Return(Piece piece)
    {
        piece.Block.Return(piece);
        if (piece.Block.IsUnused && piece.Block.Buffer.Length > blockBytes)
        {
            Drop(piece.Block);
        }
    }

    /// <summary>Frees unused blocks.</summary>
    public void Trim()
    {
        foreach (Block block in _blocks.FindAll(block => block.IsUnused))
        {
            Drop(block);
        }
    }

    public void Dispose()
    {
        foreach (Block block in _blocks)
        {
            block.Buffer.Dispose();
        }

        _blocks.Clear();
    }

    private void Drop(Block block)
    {
        _blocks.Remove(block);
        block.Buffer.Dispose();
    }

    /// <summary>A piece of a block.</summary>
    internal readonly struct Piece(Block block, long offset, long size)
    {
        public Block Block { get; } = block;

        public long Offset { get; } = offset;

        public long Size { get; } = size;

        public nint Address => Block.Buffer.NativePtr + (nint)Offset;

        public ArrayView<byte> View { get; } = block.Buffer.View.AsContiguous().SubView(offset, size);
    }

    /// <summary>Memory of the driver, and its free pieces.</summary>
    internal sealed class Block(MemoryBuffer1D<byte, Stride1D.Dense> buffer)
    {
        // Size of each free piece by its offset; adjacent free pieces are merged.
        private readonly SortedList<long, long> _free = new() { [0] = buffer.Length };

        public MemoryBuffer1D<byte, Stride1D.Dense> Buffer { get; } = buffer;

        public bool IsUnused => _free.Count == 1 && _free.Values[0] == Buffer.Length;

        /// <summary>Rents the smallest free piece that suffices.</summary>
        public bool TryRent(long size, out Piece piece)
        {
            int best = -1;
            for (int i = 0; i < _free.Count; i++)
            {
                if (_free.Values[i] >= size && (best < 0 || _free.Values[i] < _free.Values[best]))
                {
                    best = i;
                }
            }

            if (best < 0)
            {
                piece = default;
                return false;
            }

            piece = new(this, _free.Keys[best], size);
            long rest = _free.Values[best] - size;
            _free.RemoveAt(best);
            if (rest > 0)
            {
                _free.Add(piece.Offset + size, rest);
            }

            return true;
        }

        public void Return(Piece piece)
        {
            (long offset, long size) = (piece.Offset, piece.Size);
            _free.Add(offset, size);
            int i = _free.IndexOfKey(offset);
            if (i + 1 < _free.Count && offset + size == _free.Keys[i + 1])
            {
                _free[offset] = size += _free.Values[i + 1];
                _free.RemoveAt(i + 1);
            }

            if (i > 0 && _free.Keys[i - 1] + _free.Values[i - 1] == offset)
            {
                _free[_free.Keys[i - 1]] += size;
                _free.RemoveAt(i);
            }
        }
    }
}
