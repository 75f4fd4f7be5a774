namespace Mamba.Tests;

/// <summary>What work allocates on the managed heap.</summary>
internal static class Allocations
{
    /// <summary>Bytes that the calling thread allocates for some work.</summary>
    /// <remarks>
    /// A collection, which any other test may cause, counts what is left of the thread's allocation buffer of 8 KB as
    /// allocated. So the work is done again where there was one.
    /// </remarks>
    public static long Of(Action work)
    {
        while (true)
        {
            int collections = GC.CollectionCount(0);
            long before = GC.GetAllocatedBytesForCurrentThread();
            work();
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            if (GC.CollectionCount(0) == collections)
            {
                return allocated;
            }
        }
    }
}
