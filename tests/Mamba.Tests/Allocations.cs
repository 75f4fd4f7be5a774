namespace Mamba.Tests;

/// <summary>What work allocates on the managed heap.</summary>
internal static class Allocations
{
    /// <summary>Bytes that the calling thread allocates for some work.</summary>
    /// <remarks>
    /// A collection, which any other test may cause, counts what is left of the thread's allocation buffer of 8 KB as
    /// allocated; one in the background does so a second time, long after it has been counted. So the work is done
    /// again if it seems to allocate: what it allocates itself, it allocates every time.
    /// </remarks>
    public static long Of(Action work)
    {
        long least = long.MaxValue;
        for (int round = 0; round < 4 && least > 0; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            work();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
