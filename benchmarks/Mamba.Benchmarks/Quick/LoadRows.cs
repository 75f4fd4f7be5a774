namespace Mamba.Benchmarks.Quick;

/// <summary>Loading mamba-130m's shape in float32 from a file in the page cache.</summary>
/// <remarks>
/// There are two figures of memory, because a mapped file counts twice while it is read. Its pages belong to the page
/// cache, which exists anyway; the weights are private memory. The goal is for the private memory: no second copy of
/// the weights.
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
