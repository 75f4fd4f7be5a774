namespace Mamba.Devices;

/// <summary>Blocks of scratch memory, one for each thread: an item of a job takes a free one while it runs.</summary>
/// <remarks>As many as there are threads, so that one is always free, and hot in a cache.</remarks>
internal readonly unsafe struct ScratchSlots(float* memory, nint size, int* taken, int count)
{
    /// <summary>Takes a block.</summary>
    /// <returns>Its number.</returns>
    public int Take()
    {
        for (int slot = 0; ; slot = (slot + 1) % count)
        {
            if (Interlocked.CompareExchange(ref taken[slot], 1, 0) == 0)
            {
                return slot;
            }
        }
    }

    /// <summary>Gives a block back.</summary>
    public void Return(int slot) => Volatile.Write(ref taken[slot], 0);

    /// <summary>The memory of a block.</summary>
    public float* this[int slot] => memory + (slot * size);
}
