using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Gradients of a scan from a token and a channel on: that of y is read, the others are added to.</summary>
internal readonly unsafe struct ScanGradientTile
{
    /// <summary>Gradient of y, a row for each token; optional.</summary>
    public required Rows Y { get; init; }

    /// <summary>Gradient of x, a row for each token; optional.</summary>
    public required Rows X { get; init; }

    /// <summary>Gradient of Δ before bias and softplus, a row for each token; optional.</summary>
    public required Rows Delta { get; init; }

    /// <summary>Gradient of z, a row for each token; optional.</summary>
    public required Rows Z { get; init; }

    /// <summary>Gradient of A, with the layout of A.</summary>
    public required Rows A { get; init; }

    public required Coupling B { get; init; }

    public required Coupling C { get; init; }

    public required float* D { get; init; }

    public required float* DeltaBias { get; init; }

    /// <summary>The same gradients from a token and a channel on.</summary>
    public ScanGradientTile At(nint token, int channel) => this with
    {
        Y = Y.At(token, channel),
        X = X.At(token, channel),
        Delta = Delta.At(token, channel),
        Z = Z.At(token, channel),
        A = A.At(0, channel),
        B = B.At(token, 0, channel),
        C = C.At(token, 0, channel),
        D = D + channel,
        DeltaBias = DeltaBias + channel,
    };
}
