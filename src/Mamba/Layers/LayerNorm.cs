using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>Layer normalisation: <c>y = (x - mean(x)) / √(var(x) + ε)·w + b</c>.</summary>
/// <remarks>Ba et al., <see href="https://arxiv.org/abs/1607.06450"/>, eq. 4.</remarks>
/// <example>
/// <code>
/// using LayerNorm norm = new(device, 64);
/// DeviceArray y = norm.Forward(x);
/// </code>
/// </example>
public sealed class LayerNorm : Module, ILayer
{
    /// <summary>Makes the layer. Weights start at 1, the bias at 0.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="dim">Width of x.</param>
    /// <param name="epsilon">ε, inside the square root.</param>
    /// <param name="bias">Whether to add b.</param>
    /// <exception cref="ArgumentOutOfRangeException">ε is not a positive finite number.</exception>
    public LayerNorm(Device device, int dim, float epsilon = 1e-5f, bool bias = true)
        : base(device)
    {
        Setting.RequirePositiveFloat(epsilon, nameof(epsilon));
        Weight = AddParameter("weight", [dim], values => values.Fill(1f));
        Bias = bias ? AddParameter("bias", [dim], values => values.Clear()) : null;
        Epsilon = epsilon;
    }

    /// <summary>w, shape [dim].</summary>
    public Parameter Weight { get; }

    /// <summary>b, shape [dim]; null if the layer has none.</summary>
    public Parameter? Bias { get; }

    /// <summary>ε.</summary>
    public float Epsilon { get; }

    /// <summary>Normalises each row.</summary>
    /// <param name="x">Shape [.., dim].</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">x has another width.</exception>
    public DeviceArray Forward(DeviceArray x)
    {
        RequireWidth(x, Weight.Value.Shape.Width);
        return Functions.LayerNorm(x, Weight.Value, Optional(Bias), Epsilon);
    }
}
