using Mamba.Memory;

namespace Mamba.Cli.Bench;

/// <summary>What <c>mamba bench</c> measures.</summary>
internal sealed record BenchSettings
{
    /// <summary>The folder of a model; null: a preset.</summary>
    public required string? Folder { get; init; }

    /// <summary>The name of a published size, with random weights; null: a folder.</summary>
    public required string? Preset { get; init; }

    /// <summary>Tokens that each conversation reads first.</summary>
    public required int Prompt { get; init; }

    /// <summary>Tokens that each conversation then writes.</summary>
    public required int Tokens { get; init; }

    /// <summary>Conversations at once.</summary>
    public required int Batch { get; init; }

    /// <summary>How often prompt and tokens are measured.</summary>
    public required int Repeat { get; init; }

    /// <summary>How the model's matrices are stored in memory; null: as its files have them.</summary>
    public required Precision? Weights { get; init; }

    /// <summary>A name for <see cref="DeviceSetting"/>.</summary>
    public required string Device { get; init; }

    /// <summary>Threads of the CPU; 0: as many as the device chooses.</summary>
    public required int Threads { get; init; }

    /// <summary>Throws unless there is a folder or a preset, and not both.</summary>
    /// <exception cref="ArgumentException">There are both, or neither.</exception>
    public void Validate()
    {
        if (Folder is null == Preset is null)
        {
            throw new ArgumentException(
                $"Expected either the folder of a model or --preset. The presets: {Presets.Names}.");
        }
    }
}
