namespace Mamba.Cpu;

/// <summary>Blocks of scratch memory, one per thread. An item of a job takes a free one while it runs.</summary>
/// <param name="memory">The blocks, one after the other.</param>
/// <param name="size">Floats of a block.</param>
/// <param name="taken">1 for each block that is taken, else 0.</param>
/// <param name="count">Number of blocks.</param>
/// <param name="used">Called when a block is used; null to call nothing.</param>
/// <remarks>One block per thread, so that one is always free, and is still in cache.</remarks>
internal readonly unsafe struct ScratchSlots(float* memory, nint size, int* taken, int count, Action? used)
{
    /// <summary>Takes a block.</summary>
    /// <returns>The block, to be disposed. Without that, later calls wait forever.</returns>
    public Slot Take()
    {
        for (int slot = 0; ; slot = (slot + 1) % count)
        {
            if (Interlocked.CompareExchange(ref taken[slot], 1, 0) == 0)
            {
                return new(memory + (slot * size), taken + slot, used);
            }
        }
    }

    /// <summary>A block that is taken until it is disposed.</summary>
    public readonly ref struct Slot(float* memory, int* taken, Action? used) : IDisposable
    {
        /// <summary>The memory of the block.</summary>
        public float* Memory
        {
            get
            {
                used?.Invoke();
                return memory;
            }
        }

        /// <summary>Gives the block back.</summary>
        public void Dispose() => Volatile.Write(ref *taken, 0);
    }
}
