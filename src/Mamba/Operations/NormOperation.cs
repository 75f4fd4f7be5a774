using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>
/// Normalises rows of <c>s = x + residual</c>: <c>y = (s - μ)/√(mean((s - μ)²) + ε)·w + b</c>, where μ is the row's
/// mean (layer norm), or 0 (RMS norm).
/// </summary>
internal readonly record struct NormOperation : IOperation<NormOperation>
{
    /// <summary>x, [.., channels].</summary>
    public required DeviceArray X { get; init; }

    /// <summary>The residual that is added to x before the norm, in the shape of x; optional.</summary>
    public DeviceArray Residual { get; init; }

    /// <summary>w, [channels]; optional.</summary>
    public DeviceArray Weight { get; init; }

    /// <summary>b, [channels]; optional.</summary>
    public DeviceArray Bias { get; init; }

    /// <summary>ε, inside the root.</summary>
    public required float Epsilon { get; init; }

    /// <summary>Whether μ is the mean; otherwise it is 0.</summary>
    public bool Centered { get; init; }

    /// <summary>y, in the shape of x.</summary>
    public DeviceArray Y { get; init; }

    /// <summary>s, in the shape of x; absent if there is no residual.</summary>
    public DeviceArray Sum { get; init; }

    /// <summary>The input of the norm, after the forward pass.</summary>
    public DeviceArray Normalized => Sum.Exists ? Sum : X;

    public NormOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with
        {
            X = map.Operand(X),
            Residual = map.Operand(Residual),
            Weight = map.Operand(Weight),
            Bias = map.Operand(Bias),
            Y = map.Output(Y),
            Sum = map.Output(Sum),
        };

    public NormOperation Prepare(Device device, bool keep)
    {
        DeviceArray.RequireOptional("the residual", Residual, X.Shape);
        DeviceArray.RequireOptional("the weight", Weight, [X.Shape.Width]);
        DeviceArray.RequireOptional("the bias", Bias, [X.Shape.Width]);
        return this with
        {
            Y = device.AllocateActivation(X.Shape),
            Sum = Residual.Exists ? device.AllocateOutput(X.Shape) : default,
        };
    }

    public void Forward(Device device) => device.Norm(this);

    public void Backward(Device device, in NormOperation gradients)
    {
        if (gradients.Y.Exists)
        {
            device.NormBackward(this, gradients);
            return;
        }

        device.AddIfWanted(gradients.Sum, gradients.X);
        device.AddIfWanted(gradients.Sum, gradients.Residual);
    }
}
