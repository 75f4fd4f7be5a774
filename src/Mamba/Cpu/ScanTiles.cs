using Mamba.Operations;

namespace Mamba.Cpu;

/// <summary>
/// The tiles of a scan: one sequence and one block of channels each. A block lies within one group. The tiles depend
/// on the sizes alone, so sums over the channels of a block are the same for any number of threads.
/// </summary>
internal readonly struct ScanTiles(in ScanSizes sizes, int width)
{
    private readonly int _groups = sizes.Groups / sizes.Directions;
    private readonly int _groupChannels = sizes.Channels / sizes.Groups;

    /// <summary>Number of blocks of a group.</summary>
    public int BlocksPerGroup => (_groupChannels + width - 1) / width;

    /// <summary>Number of tiles of one direction.</summary>
    public int Count { get; } = checked(
        sizes.Sequences.Count * (sizes.Groups / sizes.Directions)
        * (((sizes.Channels / sizes.Groups) + width - 1) / width));

    public (int Sequence, int Group, int Block, int Channel, int Channels) this[int item]
    {
        get
        {
            (int row, int block) = Math.DivRem(item, BlocksPerGroup);
            (int sequence, int group) = Math.DivRem(row, _groups);
            int start = block * width;
            return (sequence, group, block, (group * _groupChannels) + start, Math.Min(width, _groupChannels - start));
        }
    }
}
