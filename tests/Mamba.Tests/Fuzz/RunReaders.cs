using Mamba.Cli.Train;

namespace Mamba.Tests.Fuzz;

/// <summary>The readers of what is no checkpoint of a model: states, runs, settings, logs, corpora, folders.</summary>
internal static class RunReaders
{
    private const string LogName = "log.csv";

    public static IReadOnlyList<FuzzReader> All { get; } =
    [
        StateReader.Reader, TrainerReaders.Run, TrainerReaders.Best, SettingReader.Reader, Log("log", step: 5),
        Log("log of any step", step: 1L << 48), CorpusReader.Reader, FolderReaders.Leftovers, FolderReaders.Lock,
    ];

    private static FuzzReader Log(string name, long step) => new()
    {
        Name = name,
        Seeds = [RunSeeds.Log(LogName)],
        Open = (folder, _) => new RunLog(Path.Combine(folder, LogName), step, _ => { }),
        Use = (opened, _) => Continue((RunLog)opened, step),
        Refusals = [],
    };

    /// <summary>Adds a row and draws the plot.</summary>
    private static void Continue(RunLog log, long step)
    {
        int rows = log.Training.Count;
        log.Add(new(step, step) { Loss = 0.25, LearningRate = 0.1, GradientNorm = 1 });
        log.Training.Should().HaveCount(rows + 1);
        log.Training.TrueForAll(row => row.Step >= 0 && row.Step <= step).Should().BeTrue();
        log.Fault.Should().BeNull();
        LossPlot.Draw("title", "bits", log.Training, log.HeldOut).Should().EndWith("</svg>\n");
    }
}
