namespace Mamba.Benchmarks.Quick;

/// <summary>Loading mamba-130m's shape in float32 from a file that the system still holds in memory.</summary>
/// <remarks>
/// Two figures of memory, because a file that is mapped counts twice while it is read: its pages, which belong to the
/// system's cache and are there anyway, and the weights, which are the process' own. The goal is for the latter: no
/// second copy of them is made.
/// </remarks>
internal static class LoadRows
{
    private const string Model = "mamba-130m";
    private const int Runs = 3;

    public static IEnumerable<QuickRow> All
    {
        get
        {
            LoadReport[]? reports = null;
            return
            [
                new($"{Model} load, file in the system's cache", "s", bench => MedianSeconds(Reports(bench)))
                {
                    Goal = 0.5,
                    LowerIsBetter = true,
                },
                new($"{Model} load and decode, peak private memory / file", "ratio",
                    bench => PartOfFile(bench, report => report.PrivateBytes))
                {
                    Goal = 1.15,
                    LowerIsBetter = true,
                },
                new($"{Model} load and decode, peak memory with mapped pages / file", "ratio",
                    bench => PartOfFile(bench, report => report.ResidentBytes))
                {
                    LowerIsBetter = true,
                },
            ];

            LoadReport[] Reports(QuickBench bench) => reports ??=
                [.. Enumerable.Range(0, Runs).Select(_ => LoadCommand.Start(Saved(bench).Folder))];

            double PartOfFile(QuickBench bench, Func<LoadReport, long> bytes) =>
                (double)Reports(bench).Max(bytes) / Saved(bench).Bytes;
        }
    }

    private static double MedianSeconds(LoadReport[] reports) =>
        Timing.Median([.. reports.Select(report => report.Seconds)]);

    private static SavedModel Saved(QuickBench bench) => bench.Saved(Model, ModelRows.Mamba1);
}
