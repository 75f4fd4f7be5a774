using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>
/// RMS norm over groups of channels, with a gate: <c>y = norm(x·silu(z))·w + b</c>, or
/// <c>y = (norm(x)·w + b)·silu(z)</c> if the norm comes before the gate.
/// </summary>
internal readonly record struct GatedNormOperation : IOperation<GatedNormOperation>
{
    /// <summary>x, [.., channels].</summary>
    public required DeviceArray X { get; init; }

    /// <summary>z, in the shape of x.</summary>
    public required DeviceArray Z { get; init; }

    /// <summary>w, [channels]; optional.</summary>
    public DeviceArray Weight { get; init; }

    /// <summary>b, [channels]; optional.</summary>
    public DeviceArray Bias { get; init; }

    /// <summary>ε, inside the root.</summary>
    public required float Epsilon { get; init; }

    /// <summary>Number of channels that are normalised together, a divisor of all channels.</summary>
    public required int GroupSize { get; init; }

    public bool NormBeforeGate { get; init; }

    /// <summary>y, in the shape of x.</summary>
    public DeviceArray Y { get; init; }

    public GatedNormOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with
        {
            X = map.Operand(X),
            Z = map.Operand(Z),
            Weight = map.Operand(Weight),
            Bias = map.Operand(Bias),
            Y = map.Output(Y),
        };

    public GatedNormOperation Prepare(Device device, bool keep)
    {
        DeviceArray.Require("z", Z, X.Shape);
        DeviceArray.RequireOptional("the weight", Weight, [X.Shape.Width]);
        DeviceArray.RequireOptional("the bias", Bias, [X.Shape.Width]);
        if (GroupSize < 1 || X.Shape.Width % GroupSize != 0)
        {
            throw new ArgumentException($"Expected a group size that divides {X.Shape.Width}; found {GroupSize}.");
        }

        return this with { Y = device.AllocateOutput(X.Shape, X.Precision) };
    }

    public void Forward(Device device) => device.GatedRmsNorm(this);

    public void Backward(Device device, in GatedNormOperation gradients) =>
        device.GatedRmsNormBackward(this, gradients);
}
