using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>Sets elements to zero at random while a tape records, and changes nothing otherwise.</summary>
/// <remarks>See <see cref="Functions.Dropout(DeviceArray, double)"/>; the tape has the seed.</remarks>
public sealed class Dropout : Module, ILayer
{
    /// <summary>Makes the layer, which has no weights.</summary>
    /// <param name="device">Where it computes.</param>
    /// <param name="rate">The probability of an element to become zero, from 0 to below 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The rate is not from 0 to below 1.</exception>
    public Dropout(Device device, double rate)
        : base(device)
    {
        Functions.RequireRate(rate);
        Rate = rate;
    }

    /// <summary>The probability of an element to become zero.</summary>
    public double Rate { get; }

    /// <inheritdoc/>
    public DeviceArray Forward(DeviceArray x) => Functions.Dropout(x, Rate);
}
