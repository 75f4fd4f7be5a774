namespace Mamba.Cpu;

/// <summary>Blocks of scratch memory, one for each thread: an item of a job takes a free one while it runs.</summary>
/// <param name="memory">The blocks, one after the other.</param>
/// <param name="size">Floats of a block.</param>
/// <param name="taken">1 for every block that is taken, else 0.</param>
/// <param name="count">Number of blocks.</param>
/// <param name="used">Called when a block is used; null: nothing is.</param>
/// <remarks>As many as there are threads, so that one is always free, and hot in a cache.</remarks>
internal readonly unsafe struct ScratchSlots(float* memory, nint size, int* taken, int count, Action? used)
{
    /// <summary>Takes a block.</summary>
    /// <returns>The block, to be disposed: one that is not given back is awaited without end.</returns>
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
