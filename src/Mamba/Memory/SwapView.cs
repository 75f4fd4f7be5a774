namespace Mamba.Memory;

/// <summary>Two adjacent axes, or blocks of axes, of a contiguous array: [outer, first, second, inner].</summary>
/// <param name="Outer">Product of the axes before them.</param>
/// <param name="First">Size of the first axis or block.</param>
/// <param name="Second">Size of the second axis or block.</param>
/// <param name="Inner">Product of the axes after them.</param>
internal readonly record struct SwapView(nint Outer, nint First, nint Second, nint Inner)
{
    /// <summary>Number of elements.</summary>
    public nint Length => Outer * First * Second * Inner;

    /// <summary>The view after the swap.</summary>
    public SwapView Swapped => this with { First = Second, Second = First };
}
