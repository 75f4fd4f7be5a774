using Mamba.Gpu;
using Mamba.Memory;

namespace Mamba.Conformance;

/// <summary>
/// How far a device may be off where the bounds that the processor meets are narrower. A case that needs it is marked:
/// float32 is float32 on a GPU too, but it exponentiates with fewer correct bits and adds in another order.
/// </summary>
/// <remarks>
/// Gradients of bfloat16 runs have 5e-2, not 2e-2, for it is not the arithmetic that they are far off by: rounding the
/// matrices alone to bfloat16, and computing with them in float32 on the processor, moves gradients of small models by
/// up to 3.5e-2, and those of log A, the bias of Δ and D in Mamba-2, sums over all tokens of terms of both signs, by
/// 1e-1.
/// </remarks>
/// <param name="Outputs">For outputs, states and losses.</param>
/// <param name="Gradients">For gradients.</param>
/// <param name="ComparesChoices">Whether integers, which are choices of the largest, must be the same.</param>
internal sealed record Tolerance(double Outputs, double Gradients, bool ComparesChoices = true)
{
    /// <summary>Nothing but the bounds themselves.</summary>
    public static readonly Tolerance None = new(0, 0);

    /// <summary>That of a GPU, or of the processor if it is null.</summary>
    public static Tolerance Of(GpuOptions? gpu) => gpu is null ? None
        : gpu.Precision == Precision.BFloat16 ? new(2e-2, 5e-2, ComparesChoices: false)
        : new(2e-5, 1e-4);

    /// <summary>What is allowed for a tensor, given the processor's bound.</summary>
    public double Allowed(string name, double bound) => Math.Max(bound, IsOfGradients(name) ? Gradients : Outputs);

    /// <summary>Whether a tensor is a gradient, or a weight that gradients have moved.</summary>
    private static bool IsOfGradients(string name) =>
        name.StartsWith("grad", StringComparison.Ordinal) || name.StartsWith("backbone", StringComparison.Ordinal);
}
