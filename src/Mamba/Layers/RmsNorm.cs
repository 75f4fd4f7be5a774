using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>Root-mean-square normalisation: <c>y = x / √(mean(x²) + ε)·w</c>.</summary>
/// <remarks>Zhang and Sennrich, <see href="https://arxiv.org/abs/1910.07467"/>, eq. 4.</remarks>
/// <example>
/// <code>
/// using RmsNorm norm = new(device, 64);
/// DeviceArray y = norm.Forward(x);
/// </code>
/// </example>
public sealed class RmsNorm : Module, ILayer
{
    /// <summary>Makes the layer. Weights start at 1.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="dim">Width of x.</param>
    /// <param name="epsilon">ε, inside the square root.</param>
    /// <exception cref="ArgumentOutOfRangeException">ε is not a positive finite number.</exception>
    public RmsNorm(Device device, int dim, float epsilon = 1e-5f)
        : base(device)
    {
        Setting.RequirePositiveFloat(epsilon, nameof(epsilon));
        Weight = AddParameter("weight", [dim], values => values.Fill(1f));
        Epsilon = epsilon;
    }

    /// <summary>w, shape [dim].</summary>
    public Parameter Weight { get; }

    /// <summary>ε.</summary>
    public float Epsilon { get; }

    /// <summary>Normalises each row.</summary>
    /// <param name="x">Shape [.., dim].</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">x has another width.</exception>
    public DeviceArray Forward(DeviceArray x)
    {
        RequireWidth(x, Weight.Value.Shape.Width);
        return Functions.RmsNorm(x, Weight.Value, Epsilon);
    }

    /// <summary>Adds a residual and normalises each row of the sum, in one pass over memory.</summary>
    /// <param name="x">Shape [.., dim].</param>
    /// <param name="residual">The same shape.</param>
    /// <returns>The normalised sum and the sum itself, both of that shape.</returns>
    /// <exception cref="ArgumentException">x has another width, or the shapes differ.</exception>
    public (DeviceArray Y, DeviceArray Sum) Forward(DeviceArray x, DeviceArray residual)
    {
        RequireWidth(x, Weight.Value.Shape.Width);
        return Functions.AddRmsNorm(x, residual, Weight.Value, Epsilon);
    }

    /// <summary>
    /// Normalises each row of a residual stream, and adds up the stream in the same pass over memory.
    /// </summary>
    /// <param name="h">The stream, shape [.., dim].</param>
    /// <returns>The normalised stream, and the stream as one array.</returns>
    /// <exception cref="ArgumentException">The stream has another width.</exception>
    public (DeviceArray Y, DeviceArray Sum) Forward(ResidualStream h) =>
        h.Update.Exists ? Forward(h.Update, h.Residual) : (Forward(h.Residual), h.Residual);

    /// <summary>The norm of a residual stream, with its outputs allocated, for an operation that includes it.</summary>
    internal NormOperation OperationOn(ResidualStream h)
    {
        RequireWidth(h.Residual, Weight.Value.Shape.Width);
        NormOperation norm = new()
        {
            X = h.Update.Exists ? h.Update : h.Residual,
            Residual = h.Update.Exists ? h.Residual : default,
            Weight = Weight.Value,
            Epsilon = Epsilon,
        };
        return norm.Prepare(Device, keep: false);
    }
}
