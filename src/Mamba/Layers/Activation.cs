using Mamba.Autograd;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>The nonlinear function between the projections of a feed-forward layer.</summary>
/// <example>
/// <code>
/// MlpOptions options = new() { ModelDim = 64, HiddenDim = 256, Activation = Activation.SquaredRelu };
/// </code>
/// </example>
public enum Activation
{
    /// <summary>x·σ(x): <see cref="Functions.Silu"/>.</summary>
    Silu,

    /// <summary>x·Φ(x): <see cref="Functions.Gelu"/>.</summary>
    Gelu,

    /// <summary>The tanh approximation of GELU: <see cref="Functions.GeluTanh"/>.</summary>
    GeluTanh,

    /// <summary>max(x, 0): <see cref="Functions.Relu"/>.</summary>
    Relu,

    /// <summary>max(x, 0)²: <see cref="Functions.SquaredRelu"/>.</summary>
    SquaredRelu,
}

/// <summary>Computes activations.</summary>
internal static class Activations
{
    public static DeviceArray Apply(this Activation activation, DeviceArray x) => activation switch
    {
        Activation.Silu => Functions.Silu(x),
        Activation.Gelu => Functions.Gelu(x),
        Activation.GeluTanh => Functions.GeluTanh(x),
        Activation.Relu => Functions.Relu(x),
        _ => Functions.SquaredRelu(x),
    };

    /// <summary>Throws if the value is none of the functions.</summary>
    public static void Require(Activation activation) => Setting.Require(
        Enum.IsDefined(activation), nameof(Activation), "one of the named functions", activation);
}
