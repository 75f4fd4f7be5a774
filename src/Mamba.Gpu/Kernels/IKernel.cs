namespace Mamba.Gpu.Kernels;

/// <summary>What every thread of a launch does; the fields are the launch's arguments.</summary>
/// <remarks>
/// What a device's compiler demands of a kernel: no <c>switch</c>, no exceptions, no calls that stay calls; a barrier
/// stands where all threads of a group pass, outside of any branch that they take differently; group sizes are powers
/// of two. Arrays of registers are fields, for an array with a running index goes to slow local memory.
/// Two traps: ILGPU may turn <c>!(a &lt; b)</c>, also one that it made itself of joined conditions, into
/// <c>a >= b</c>, so where NaN matters it is asked for by itself; and PoCL takes minutes to compile a loop around a
/// barrier that may not run at all, so such loops are <c>do … while</c>.
/// </remarks>
internal interface IKernel
{
    void Run();
}

/// <summary>What ILGPU compiles: one entry for every kernel.</summary>
internal static class Entry
{
    public static void Run<TKernel>(TKernel kernel)
        where TKernel : struct, IKernel => kernel.Run();
}
