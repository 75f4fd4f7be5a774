namespace Mamba.Gpu.Kernels;

/// <summary>The work of one thread of a launch; the fields are the launch's arguments.</summary>
/// <remarks>
/// Limits of the devices' compilers: no <c>switch</c>, no exceptions, every call is inlined, and group sizes are powers
/// of two. All threads of a group must reach each barrier, so no barrier stands in a branch that depends on the thread.
/// Register arrays are fields, because an array with a variable index goes to slow local memory.
/// Two traps. ILGPU may compile <c>!(a &lt; b)</c> as <c>a >= b</c>, also where it forms the negation itself by joining
/// conditions, so code that depends on NaN tests for it separately. PoCL takes minutes to compile a loop that contains
/// a barrier and may run zero times, so such loops are <c>do … while</c>.
/// </remarks>
internal interface IKernel
{
    void Run();
}

/// <summary>The method that ILGPU compiles, once for each kernel.</summary>
internal static class Entry
{
    public static void Run<TKernel>(TKernel kernel)
        where TKernel : struct, IKernel => kernel.Run();
}
