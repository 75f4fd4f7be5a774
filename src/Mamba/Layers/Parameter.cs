using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>Gives some rows of a matrix, as they are stored.</summary>
/// <param name="row">The first row.</param>
/// <param name="target">Receives the bytes of whole rows.</param>
internal delegate void StoredRows(nint row, Span<byte> target);

/// <summary>Weights that training changes, on a device.</summary>
/// <example>
/// <code>
/// foreach ((_, Parameter weights) in model.Embedding.Parameters)
/// {
///     weights.IsTrainable = false;           // frozen: optimisers made after this leave it alone
/// }
/// </code>
/// </example>
public sealed class Parameter
{
    internal Parameter(DeviceArray value, bool decays, bool isUnset = false)
    {
        Value = value;
        Decays = decays;
        Value.Storage.IsUnset = isUnset;
        Value.Storage.IsTrainable = true;
    }

    /// <summary>The weights.</summary>
    public DeviceArray Value { get; private set; }

    /// <summary>
    /// Whether weight decay applies. It applies to matrices, not to A, D, Δ biases, norms and other biases.
    /// </summary>
    public bool Decays { get; }

    /// <summary>Whether tapes compute a gradient for this parameter; if false, it is frozen.</summary>
    /// <exception cref="InvalidOperationException">Set to true for narrow weights.</exception>
    public bool IsTrainable
    {
        get => Value.Storage.IsTrainable;
        set
        {
            if (value && Value.Precision != Precision.Float32)
            {
                throw new InvalidOperationException(
                    $"Weights {Value.Shape} of {Value.Precision} cannot be trained; store them as Float32 with " +
                    "Narrow, or train an adapter beside them (LowRank.Adapt).");
            }

            Value.Storage.IsTrainable = value;
            IsFrozenByNarrowing = false;
        }
    }

    /// <summary>Whether the weights are frozen only because they are narrow, and not by the caller.</summary>
    internal bool IsFrozenByNarrowing { get; private set; }

    /// <summary>The gradient accumulated since it was last cleared; <c>default</c> if none exists yet.</summary>
    public DeviceArray Gradient => Value.Gradient;

    /// <summary>Sets the gradient to zero.</summary>
    public void ClearGradient()
    {
        if (Gradient is { Exists: true } gradient)
        {
            Value.Storage.RequireUnclaimed();
            using DeviceScope scope = gradient.Device.Scope();
            gradient.Device.Fill(gradient, 0f);
        }
    }

    /// <summary>Throws if the weights were never set, and names the parameter.</summary>
    internal void RequireSet(string name)
    {
        if (Value.Storage.IsUnset)
        {
            throw new InvalidOperationException(
                $"\"{name}\" {Value.Shape} was never set: its layer was made with random: null, for a loader to " +
                "fill. Load it, or pass a Random.");
        }
    }

    /// <summary>
    /// Throws if the weights were never set or one does not fit a precision, and names the parameter.
    /// </summary>
    internal void RequireFit(Precision precision, string name)
    {
        precision = precision.ForRowsOf(Value.Shape.Width);
        if (precision != Value.Precision)
        {
            RequireSet(name);
        }

        if (precision is Precision.Float32 or Precision.BFloat16 || precision == Value.Precision)
        {
            return; // every value fits
        }

        using DeviceScope scope = Value.Device.Scope();
        DeviceArray trial = Value.Device.AllocateOwned(Value.Shape, precision);
        try
        {
            Value.Device.Copy(Wide(), trial);
        }
        catch (ArithmeticException exception)
        {
            throw new ArithmeticException(
                $"\"{name}\" cannot be stored as {precision}. {exception.Message}", exception);
        }
        finally
        {
            Value.Device.Release(trial);
        }
    }

    /// <summary>
    /// Stores the weights in another precision; bfloat16 replaces a block format whose blocks do not fill the rows.
    /// Narrow weights cannot be trained. Weights stored as float32 again can, unless the caller froze them.
    /// </summary>
    internal void Narrow(Precision precision)
    {
        bool canTrain = IsTrainable || IsFrozenByNarrowing;
        Store(precision.ForRowsOf(Value.Shape.Width));
        bool isNarrow = Value.Precision != Precision.Float32;
        Value.Storage.IsTrainable = canTrain && !isNarrow;
        IsFrozenByNarrowing = canTrain && isNarrow;
    }

    /// <summary>Replaces the weights by rows that are stored in another precision already.</summary>
    /// <param name="precision">The precision.</param>
    /// <param name="read">Gives whole rows, as the precision stores them.</param>
    internal void Load(Precision precision, StoredRows read)
    {
        const int pieceBytes = 1 << 20;
        bool canTrain = IsTrainable || IsFrozenByNarrowing;
        Device device = Value.Device;
        Value.Storage.RequireUnclaimed();
        using DeviceScope scope = device.Scope();
        DeviceArray stored = device.AllocateOwned(Value.Shape, precision);
        try
        {
            int rowBytes = checked((int)precision.Bytes(Value.Shape.Width));
            byte[] piece = new byte[Math.Max(pieceBytes / rowBytes, 1) * rowBytes];
            nint atOnce = piece.Length / rowBytes, rows = Value.Shape.Rows;
            for (nint row = 0; row < rows; row += atOnce)
            {
                Span<byte> part = piece.AsSpan(0, (int)(nint.Min(atOnce, rows - row) * rowBytes));
                read(row, part);
                device.WriteRows(part, stored, row);
            }
        }
        catch
        {
            device.Release(stored);
            throw;
        }

        device.Release(Value);
        Value = stored;
        bool isNarrow = precision != Precision.Float32;
        Value.Storage.IsTrainable = canTrain && !isNarrow;
        IsFrozenByNarrowing = canTrain && isNarrow;
    }

    /// <summary>Stores the weights in another precision in new memory, and frees the old memory.</summary>
    private void Store(Precision precision)
    {
        if (Value.Precision == precision)
        {
            return;
        }

        if (Value.Storage.IsUnset)
        {
            throw new InvalidOperationException(
                $"Weights {Value.Shape} were never set, and cannot be stored as {precision}.");
        }

        Value.Storage.RequireUnclaimed();
        Device device = Value.Device;
        using DeviceScope scope = device.Scope();
        DeviceArray wide = precision == Precision.Float32 ? Value : Wide();
        DeviceArray stored = device.AllocateOwned(Value.Shape, precision);
        try
        {
            device.Copy(wide, stored);
        }
        catch
        {
            device.Release(stored); // a weight did not fit: the parameter is unchanged
            throw;
        }

        device.Release(Value);
        Value = stored;
    }

    /// <summary>The weights as float32, in the device's scope.</summary>
    private DeviceArray Wide()
    {
        if (Value.Precision == Precision.Float32)
        {
            return Value;
        }

        DeviceArray wide = Value.Device.Allocate(Value.Shape);
        Value.Device.Copy(Value, wide);
        return wide;
    }
}
