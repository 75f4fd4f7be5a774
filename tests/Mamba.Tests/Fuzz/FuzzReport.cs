namespace Mamba.Tests.Fuzz;

/// <summary>What became of the files that a reader was given.</summary>
/// <param name="Reader">The reader's name.</param>
internal sealed record FuzzReport(string Reader)
{
    /// <summary>Files that were read, and used.</summary>
    public int Accepted { get; set; }

    /// <summary>Files that were refused as documented.</summary>
    public int Refused { get; set; }

    /// <summary>The longest time of a file.</summary>
    public TimeSpan WorstTime { get; set; }

    /// <summary>The most bytes that a file took on the managed heap, what was freed meanwhile included.</summary>
    public long WorstMemory { get; set; }

    /// <summary>A row of a table.</summary>
    public override string ToString() =>
        $"| {Reader} | {Accepted + Refused} | {Accepted} | {Refused} | {WorstTime.TotalMilliseconds:f0} ms | " +
        $"{WorstMemory / 1e6:f1} MB |";
}
