using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>Weights that training changes, on a device.</summary>
public sealed class Parameter
{
    internal Parameter(DeviceArray value, bool decays)
    {
        Value = value;
        Decays = decays;
        IsTrainable = true;
    }

    /// <summary>The weights.</summary>
    public DeviceArray Value { get; private set; }

    /// <summary>Whether weight decay applies: to matrices, not to A, D, Δ biases, norms and other biases.</summary>
    public bool Decays { get; }

    /// <summary>Whether tapes follow this parameter. A frozen parameter has no gradient.</summary>
    public bool IsTrainable
    {
        get => Value.RequiresGradient;
        set => Value.Storage.RequiresGradient = value;
    }

    /// <summary>
    /// The gradient that tapes have added up since it was last cleared; <c>default</c> where there was none yet.
    /// </summary>
    public DeviceArray Gradient => Value.Gradient;

    /// <summary>
    /// Stores the weights in another precision, as bfloat16 where blocks would not fill the rows; narrow ones cannot be trained.
    /// </summary>
    internal void Narrow(Precision precision)
    {
        Store(precision.ForRowsOf(Value.Shape.Width));
        IsTrainable &= Value.Precision == Precision.Float32;
    }

    /// <summary>Stores the weights in another precision, in memory that takes the place of the former.</summary>
    private void Store(Precision precision)
    {
        if (Value.Precision == precision)
        {
            return;
        }

        if (Value.Precision != Precision.Float32 && precision != Precision.Float32)
        {
            Store(Precision.Float32);
        }

        Device device = Value.Device;
        bool isTrainable = IsTrainable;
        DeviceArray stored = device.AllocateOwned(Value.Shape, precision);
        try
        {
            device.Copy(Value, stored);
        }
        catch
        {
            device.Free(stored); // a weight did not fit: the parameter stays as it was
            throw;
        }

        device.Free(Value);
        Value = stored;
        IsTrainable = isTrainable;
    }

    /// <summary>Sets the gradient to zero.</summary>
    public void ClearGradient()
    {
        if (Gradient is { Exists: true } gradient)
        {
            gradient.Device.Fill(gradient, 0f);
        }
    }
}
