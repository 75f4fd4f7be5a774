namespace Mamba.Cli.Bench;

/// <summary>What one test of <c>mamba bench</c> has measured.</summary>
internal sealed record BenchRow
{
    /// <summary>Names of the columns of CSV.</summary>
    public static readonly string[] Columns =
        ["model", "parameters", "weights", "threads", "batch", "test", "tokens_per_second", "deviation", "device"];

    /// <summary>The folder or the preset.</summary>
    public required string Model { get; init; }

    /// <summary>Number of weights.</summary>
    public required long Parameters { get; init; }

    /// <summary>How matrices were stored.</summary>
    public required string Weights { get; init; }

    /// <summary>Threads of the CPU; null on a GPU.</summary>
    public required int? Threads { get; init; }

    /// <summary>Conversations at once.</summary>
    public required int Batch { get; init; }

    /// <summary><c>pp512</c>: a prompt of 512 tokens is read; <c>tg128</c>: 128 tokens are written.</summary>
    public string Test { get; init; } = "";

    /// <summary>Tokens a second of each repetition, of all conversations together.</summary>
    public double[] Rates { get; init; } = [];

    /// <summary>Their mean.</summary>
    public double Mean => Rates.Average();

    /// <summary>Their standard deviation, that of a sample; 0 for one repetition.</summary>
    public double Deviation => Rates.Length < 2
        ? 0
        : Math.Sqrt(Rates.Sum(rate => (rate - Mean) * (rate - Mean)) / (Rates.Length - 1));

    /// <summary>What computed.</summary>
    public required string Device { get; init; }
}
