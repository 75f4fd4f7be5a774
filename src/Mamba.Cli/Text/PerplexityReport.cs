namespace Mamba.Cli.Text;

/// <summary>What <c>mamba perplexity</c> has measured; <c>--json</c> prints it as it is.</summary>
internal sealed record PerplexityReport
{
    /// <summary>The model, as the user named it.</summary>
    public string Model { get; init; } = "";

    /// <summary>Tokens that were predicted.</summary>
    public required int Tokens { get; init; }

    /// <summary>The mean of <c>-ln p</c>.</summary>
    public required double NatsPerToken { get; init; }

    /// <summary>The exponential of the mean loss.</summary>
    public double Perplexity => Math.Exp(NatsPerToken);

    /// <summary>The loss in bits, divided by the bytes of the text.</summary>
    public double BitsPerByte { get; init; }

    /// <summary>Predicted tokens in a second.</summary>
    public double TokensPerSecond { get; init; }
}
