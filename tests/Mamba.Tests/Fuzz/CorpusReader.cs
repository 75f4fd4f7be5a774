using Mamba.Devices;
using Mamba.Models.Data;

namespace Mamba.Tests.Fuzz;

/// <summary>The reader of corpora, and of batches of every kind from them.</summary>
internal static class CorpusReader
{
    public static FuzzReader Reader { get; } = new()
    {
        Name = "corpus",
        Seeds = RunSeeds.Corpora,
        Open = Open,
        Use = (opened, _) => Read((TokenCorpus)opened),
        Change = NameMutation.Of,
        Refusals = [typeof(InvalidDataException), typeof(FileNotFoundException)],
    };

    /// <summary>Opens the files, as the name of the first of them has it.</summary>
    private static TokenCorpus Open(string folder, Device device)
    {
        string path = Directory.EnumerateFileSystemEntries(folder).Single();
        return TokenCorpus.Open(path, RunSeeds.OptionsOf(Path.GetFileName(path)));
    }

    private static void Read(TokenCorpus corpus)
    {
        foreach (TokenSequence part in (TokenSequence[])[corpus.Training, corpus.HeldOut])
        {
            int[] all = new int[part.Length];
            part.Read(0, all);
            Array.TrueForAll(all, token => token is >= 0 and < RunSeeds.Vocabulary).Should().BeTrue();
            foreach (Func<ITokenBatches> make in (Func<ITokenBatches>[])
            [
                () => new WindowBatches(part, 2, 3, seed: 1), () => new StreamBatches(part, 2, 3),
                () => new PackedBatches(part, 7, seed: 1),
            ])
            {
                ReadBatches(make);
            }
        }
    }

    private static void ReadBatches(Func<ITokenBatches> make)
    {
        ITokenBatches batches;
        try
        {
            batches = make();
        }
        catch (InvalidDataException)
        {
            return; // the data are too short
        }

        foreach (long number in (long[])[0, 1, 50])
        {
            TokenBatch batch = batches[number];
            batch.Inputs.Should().HaveSameCount(batch.Targets);
            Array.TrueForAll(batch.Inputs, token => token is >= 0 and < RunSeeds.Vocabulary).Should().BeTrue();
        }
    }
}
