namespace Mamba.Gpu.Kernels;

/// <summary>Sizes of an SSD.</summary>
internal readonly struct SsdShape(int heads, int headDim, int groups, int states)
{
    public int Heads { get; } = heads;

    public int HeadDim { get; } = headDim;

    public int Groups { get; } = groups;

    public int States { get; } = states;

    /// <summary>Width of a row of x.</summary>
    public int Channels => Heads * HeadDim;

    /// <summary>The head of a channel.</summary>
    public int HeadOf(int channel) => channel / HeadDim;

    /// <summary>Whether four channels from a multiple of four on belong to one head.</summary>
    public bool IsInOneHead(int channel) => HeadDim % 4 == 0 || HeadOf(channel) == HeadOf(channel + 3);

    /// <summary>The group whose B and C a head uses.</summary>
    public int GroupOf(int head) => head / (Heads / Groups);
}
