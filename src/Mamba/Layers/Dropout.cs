using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>Sets random elements to zero while a tape records; otherwise returns its input.</summary>
/// <remarks>See <see cref="Functions.Dropout(DeviceArray, double)"/>; the seed comes from the tape.</remarks>
/// <example>
/// <code>
/// using Dropout dropout = new(device, rate: 0.1);
/// using Tape tape = new(device, seed: step);                            // other elements in every step
/// DeviceArray y = dropout.Forward(x);
/// </code>
/// </example>
public sealed class Dropout : Module, ILayer
{
    /// <summary>Makes the layer, which has no weights.</summary>
    /// <param name="device">Device that computes the layer.</param>
    /// <param name="rate">Probability that an element becomes zero, from 0 to below 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The rate is not from 0 to below 1.</exception>
    public Dropout(Device device, double rate)
        : base(device)
    {
        Functions.RequireRate(rate);
        Rate = rate;
    }

    /// <summary>Probability that an element becomes zero.</summary>
    public double Rate { get; }

    /// <inheritdoc/>
    public DeviceArray Forward(DeviceArray x) => Functions.Dropout(x, Rate);
}
