using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>The inputs of a scan for some channels, from a token and a channel on.</summary>
internal readonly unsafe struct ScanTile
{
    /// <summary>x, a row for each token.</summary>
    public required Rows X { get; init; }

    /// <summary>Δ before bias and softplus, a row for each token.</summary>
    public required Rows Delta { get; init; }

    /// <summary>The gate z, a row for each token; optional.</summary>
    public required Rows Z { get; init; }

    /// <summary>A, a row for each state; complex: the real parts of all states, then the imaginary ones.</summary>
    public required Rows A { get; init; }

    public required Coupling B { get; init; }

    public required Coupling C { get; init; }

    /// <summary>D of each channel; optional.</summary>
    public required float* D { get; init; }

    /// <summary>Bias of Δ, for each channel; optional.</summary>
    public required float* DeltaBias { get; init; }

    public required bool Softplus { get; init; }

    /// <summary>The order of the tokens, for <see cref="SelectiveScan.Visited"/>.</summary>
    public TokenOrder Order { get; init; }

    /// <summary>Whether to add to y, for <see cref="SelectiveScan.Visited"/>.</summary>
    public bool Accumulates { get; init; }

    public required int States { get; init; }

    public required int Channels { get; init; }

    /// <summary>The same inputs from a token and a channel on.</summary>
    public ScanTile At(nint token, int channel) => this with
    {
        X = X.At(token, channel),
        Delta = Delta.At(token, channel),
        Z = Z.At(token, channel),
        A = A.At(0, channel),
        B = B.At(token, 0, channel),
        C = C.At(token, 0, channel),
        D = D == null ? null : D + channel,
        DeltaBias = DeltaBias == null ? null : DeltaBias + channel,
        Channels = Channels - channel,
    };
}
