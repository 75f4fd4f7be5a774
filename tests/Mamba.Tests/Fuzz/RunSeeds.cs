using System.Globalization;
using System.Text;
using System.Text.Json;
using Mamba.Cli.Train;
using Mamba.Models.Data;
using Mamba.Tests.Checkpoints;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Fuzz;

/// <summary>Right files of runs, as the library and the tool write them.</summary>
internal static class RunSeeds
{
    /// <summary>Number of tokens that the corpora may use.</summary>
    public const int Vocabulary = 250;

    private const string Text = "text";

    /// <summary>Checkpoints of runs.</summary>
    public static IReadOnlyList<FuzzSeed> Runs { get; } =
        [Run(OpenedRun.Plain, 1), Run(OpenedRun.Carried, 1), Run(OpenedRun.Plain, 2, changesRecord: false)];

    /// <summary>Files of text, and of tokens of 2 and of 4 bytes.</summary>
    public static IReadOnlyList<FuzzSeed> Corpora { get; } =
    [
        Of(
            ($"{Text}/a.txt", "one\n\ntwo\n\n\n\nthree and more words\n\n"), ($"{Text}/b/c.txt", "\n\nfour\n\n"),
            ($"{Text}/d.txt", "\n\n"), ($"{Text}/note", "no text")),
        Tokens("tokens.2", token => BitConverter.GetBytes((ushort)token)),
        Tokens("tokens.4", BitConverter.GetBytes),
    ];

    /// <summary>A run's folder after its process was killed.</summary>
    public static FuzzSeed Leftovers { get; } = Of(
        ("run/step-0000000001/training.json", "1"), ("run/step-0000000001.partial/training.json", "2"),
        ("run/step-0000000002.replaced/training.json", "3"), ("run/step-0000000003.partial/inner/x", "4"),
        ("run/step-0000000004.replaced/note.txt", "5"), ("run/step-0000000004/note.txt", "6"),
        ("run/log.csv.0123456789abcdef0123456789abcdef.tmp", "7"), ("run/log.csv", "8"), ("run/model/config.json", "9"),
        ("run/.lock", ""), ("run/.lock-owner", "123")) with { Changed = [] };

    /// <summary>How the tokens of a file are read.</summary>
    public static CorpusOptions OptionsOf(string name) => new()
    {
        TokenBytes = name == Text ? 1 : name[^1] - '0',
        Separator = name == Text ? [10, 10] : [0],
        HeldOut = 0.4,
        Seed = 3,
        VocabularySize = Vocabulary,
    };

    /// <summary>The settings of a run with every key, and those of a user.</summary>
    /// <param name="saved">Name of the run's file.</param>
    /// <param name="own">Name of the user's file.</param>
    public static IReadOnlyList<FuzzSeed> Settings(string saved, string own)
    {
        TrainSettings all = new() { Data = "text.txt" };
        byte[] every = JsonSerializer.SerializeToUtf8Bytes(all, TrainSettings.Json), none = "{}"u8.ToArray();
        byte[] some = "{\"schedule\": \"warmup-stable-decay\", \"lora_rank\": 4, \"token_bytes\": 2}"u8.ToArray();
        byte[] other = "{\"data\": \"x\", \"from\": \"run\"}"u8.ToArray();
        return
        [
            new(new Dictionary<string, byte[]> { [saved] = every, [own] = none }, saved),
            new(new Dictionary<string, byte[]> { [saved] = some, [own] = other }, saved, own),
        ];
    }

    /// <summary>A log of steps, of one that was skipped, and of evaluations.</summary>
    public static FuzzSeed Log(string name)
    {
        using TemporaryFolder folder = new(inMemory: true);
        using (RunLog log = new(folder[name], 0, _ => { }))
        {
            for (int step = 1; step <= 8; step++)
            {
                log.Add(new(step, 8)
                {
                    Loss = step == 3 ? double.NaN : 5.0 / step,
                    LearningRate = 1e-3,
                    GradientNorm = step == 3 ? double.PositiveInfinity : 1.5,
                    TokensPerSecond = 1000,
                    Elapsed = TimeSpan.FromSeconds(step),
                    Warning = step == 3 ? "skipped" : null,
                    Evaluation = step % 4 == 0 ? 2.5 : null,
                });
            }
        }

        return FuzzSeed.Of(folder.Path, name);
    }

    private static FuzzSeed Run(string kind, int steps, bool changesRecord = true)
    {
        using TemporaryFolder folder = new(inMemory: true);
        using ReferenceDevice device = new();
        using (OpenedRun run = new(device, folder[kind]))
        {
            for (int i = 0; i < steps; i++)
            {
                run.TakeStep();
            }
        }

        string[] files = ["training.safetensors", "SHA256SUMS", .. changesRecord ? ["training.json"] : (string[])[]];
        string newest = string.Create(CultureInfo.InvariantCulture, $"{kind}/step-{steps:D10}/");
        FuzzSeed seed = FuzzSeed.Of(folder.Path, Array.ConvertAll(files, file => newest + file));
        return seed with
        {
            Files = new Dictionary<string, byte[]>(seed.Files.Where(file => file.Key != $"{kind}/.lock")),
        };
    }

    private static FuzzSeed Tokens(string name, Func<int, byte[]> bytesOf)
    {
        byte[] tokens = [.. Enumerable.Range(0, 60).SelectMany(i => bytesOf(i * i % 13 * 19))];
        return new(new Dictionary<string, byte[]> { [name] = tokens }, name);
    }

    private static FuzzSeed Of(params ReadOnlySpan<(string Path, string Content)> files)
    {
        Dictionary<string, byte[]> all = [];
        foreach ((string path, string content) in files)
        {
            all[path] = Encoding.UTF8.GetBytes(content);
        }

        return new(all, [.. all.Keys]);
    }
}
