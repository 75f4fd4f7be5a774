using Mamba.Devices;

namespace Mamba.Tests.Fuzz;

/// <summary>A reader of files, for which <see cref="FuzzRun"/> makes damaged ones.</summary>
/// <remarks>
/// A new reader is a value of this type in a list such as <see cref="CheckpointReaders.All"/>, which <c>_readers</c> of
/// <see cref="FuzzTests"/> includes. It needs seeds: right files, best of all what the library has written itself with
/// every option that the format has; the types that it may throw; and one or two functions. Files named .json,
/// .safetensors, .bin, .csv and SHA256SUMS are changed by their structure, all others byte by byte;
/// <see cref="Change"/> adds changes that need more than one file or its name.
/// </remarks>
internal sealed record FuzzReader
{
    /// <summary>The name, by which a case is run again.</summary>
    public required string Name { get; init; }

    /// <summary>Right files to begin with.</summary>
    public required IReadOnlyList<FuzzSeed> Seeds { get; init; }

    /// <summary>
    /// Reads the files of a folder, on a device that takes memory at once; gives what is to be disposed. When it has
    /// thrown, or its result is disposed, no memory may be left on the device.
    /// </summary>
    public required Func<string, Device, IDisposable> Open { get; init; }

    /// <summary>Uses what has been read as a program would; it must not throw.</summary>
    public Action<IDisposable, Device> Use { get; init; } = (_, _) => { };

    /// <summary>Changes of this reader's own, which a third of the random changes are; null: it has none.</summary>
    public Func<FuzzSeed, Random, (FuzzSeed Files, string Change)>? Change { get; init; }

    /// <summary>
    /// Makes the checksums those of the changed files, in half of the random cases and in all of keys: the others stop
    /// at the checksum. Null: the files have none.
    /// </summary>
    public Func<FuzzSeed, FuzzSeed>? Repair { get; init; }

    /// <summary>What <see cref="Open"/> may throw: these types, and none that derive from them.</summary>
    public required IReadOnlyList<Type> Refusals { get; init; }
}
