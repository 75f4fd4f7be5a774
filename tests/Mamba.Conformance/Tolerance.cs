using Mamba.Devices;
using Mamba.Gpu;

namespace Mamba.Conformance;

/// <summary>
/// How far a device may be off where the bounds that the processor meets are narrower. A case that needs it is marked:
/// float32 is float32 on a GPU too, but it exponentiates with fewer correct bits and adds in another order.
/// </summary>
/// <param name="Outputs">For outputs, states and losses.</param>
/// <param name="Gradients">For gradients.</param>
/// <param name="ComparesChoices">Whether integers, which are choices of the largest, must be the same.</param>
internal sealed record Tolerance(double Outputs, double Gradients, bool ComparesChoices = true)
{
    /// <summary>Nothing but the bounds themselves.</summary>
    public static readonly Tolerance None = new(0, 0);

    public static Tolerance Of(Device device, string precision) => device is not GpuDevice ? None
        : precision == "bfloat16" ? new(2e-2, 2e-2, ComparesChoices: false)
        : new(2e-5, 1e-4);

    /// <summary>What is allowed for a tensor, given the processor's bound.</summary>
    public double Allowed(string name, double bound) =>
        Math.Max(bound, name.StartsWith("grad", StringComparison.Ordinal) ? Gradients : Outputs);
}
