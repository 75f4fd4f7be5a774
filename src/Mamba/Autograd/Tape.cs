using Mamba.Devices;

namespace Mamba.Autograd;

/// <summary>
/// Records what is computed from parameters on a device, and walks it backwards to add up their gradients. Without a
/// tape nothing is recorded and nothing is kept.
/// </summary>
/// <remarks>
/// Reverse-mode differentiation. Arrays and gradients live in the device's scope, so a scope opens before the tape and
/// ends after it. A gradient belongs to the memory of an array: a slice's gradient is a slice of the whole's.
/// </remarks>
public sealed class Tape : IDisposable
{
    private readonly List<Action> _backward = [];
    private readonly Device _device;

    /// <summary>Begins to record on a device.</summary>
    /// <param name="device">The device; it has no other tape.</param>
    /// <exception cref="InvalidOperationException">Another tape records on the device.</exception>
    public Tape(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (device.Tape is not null)
        {
            throw new InvalidOperationException("Another tape records on this device; dispose it first.");
        }

        _device = device;
        _device.Tape = this;
    }

    /// <summary>Asks for the gradient of an array that is not a parameter, such as an input.</summary>
    /// <param name="array">An array on the tape's device.</param>
    /// <exception cref="ArgumentException">The array is on another device.</exception>
    public void Watch(DeviceArray array)
    {
        if (array.Device != _device)
        {
            throw new ArgumentException($"The tape records on \"{_device}\"; the array is on \"{array.Device}\".");
        }

        array.Storage.RequiresGradient = true;
    }

    /// <summary>Computes the gradients of a scalar with respect to all that it was computed from.</summary>
    /// <param name="loss">An array of one element.</param>
    /// <exception cref="ArgumentException">The array has more than one element.</exception>
    public void Backward(DeviceArray loss)
    {
        if (loss.Shape.Count != 1)
        {
            throw new ArgumentException($"Expected one element; found {loss.Shape}. Pass the gradient of each output.");
        }

        _device.Fill(GradientOf(loss), 1f);
        Backward();
    }

    /// <summary>Computes gradients from those of several outputs.</summary>
    /// <param name="outputs">Each output with the gradient of what is minimised with respect to it.</param>
    public void Backward(params ReadOnlySpan<(DeviceArray Output, DeviceArray Gradient)> outputs)
    {
        foreach ((DeviceArray output, DeviceArray gradient) in outputs)
        {
            _device.AddScaled(gradient, 1f, GradientOf(output));
        }

        Backward();
    }

    /// <summary>The gradient of an array, after <see cref="Backward(DeviceArray)"/>.</summary>
    /// <param name="array">A parameter's value, a watched array, or anything computed from them.</param>
    /// <returns>An array of the same shape; zeros where nothing flowed.</returns>
    public DeviceArray GradientOf(DeviceArray array)
    {
        Storage storage = array.Storage;
        if (storage.Gradient is null)
        {
            storage.Gradient = _device.AllocateGradient(storage).Storage;
        }

        return array.Gradient;
    }

    /// <summary>Ends the recording.</summary>
    public void Dispose()
    {
        _device.Tape = _device.Tape == this ? null : _device.Tape;
        _backward.Clear();
    }

    /// <summary>Whether a tape records on the arrays' device and follows any of them.</summary>
    internal static bool Follows(params ReadOnlySpan<DeviceArray> inputs)
    {
        foreach (DeviceArray input in inputs)
        {
            if (input.RequiresGradient && input.Device.Tape is not null)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The gradient to add to, or <c>default</c> when none is wanted.</summary>
    internal DeviceArray Wanted(DeviceArray input) => input.RequiresGradient ? GradientOf(input) : default;

    /// <summary>Notes how to go back through an operation that made <paramref name="outputs"/>.</summary>
    internal void Record(Action backward, params ReadOnlySpan<DeviceArray> outputs)
    {
        foreach (DeviceArray output in outputs)
        {
            if (output.Exists)
            {
                output.Storage.RequiresGradient = true;
            }
        }

        _backward.Add(backward);
    }

    private void Backward()
    {
        for (int i = _backward.Count - 1; i >= 0; i--)
        {
            _backward[i]();
        }

        _backward.Clear();
    }
}
