using System.Numerics.Tensors;
using Mamba.Autograd;
using Mamba.Devices;

namespace Mamba.Memory;

/// <summary>
/// A float32 array in a device's memory, row-major. The struct is a handle that is cheap to copy. Its memory belongs to
/// the scope that allocated it, or to its owner if no scope did.
/// </summary>
/// <remarks>
/// Arrays are contiguous, except the views from <see cref="Slice"/>: these select columns of the last axis, and their
/// rows are <see cref="Pitch"/> elements apart. Every operation accepts both.
/// </remarks>
/// <example>
/// <code>
/// DeviceArray x = device.Array([2, 3], [1, 2, 3, 4, 5, 6]);
/// DeviceArray rows = x.Reshape([3, 2]);      // the same memory
/// float[] copy = x.ToArray();
/// </code>
/// </example>
public readonly struct DeviceArray
{
    private readonly Storage? _storage;
    private readonly int _generation;

    internal DeviceArray(Storage storage, nint offset, Shape shape, nint pitch)
    {
        _storage = storage;
        _generation = storage.Generation;
        Offset = offset;
        Shape = shape;
        Pitch = pitch;
    }

    /// <summary>The shape.</summary>
    public Shape Shape { get; }

    /// <summary>Distance in elements between the starts of consecutive rows.</summary>
    public nint Pitch { get; }

    /// <summary>The storage precision of the elements; copies to and from the host use float32.</summary>
    /// <exception cref="ObjectDisposedException">The array's scope has ended.</exception>
    public Precision Precision => Storage.Precision;

    /// <summary>Whether the elements are adjacent in memory.</summary>
    public bool IsContiguous => Pitch == Shape.Width || Shape.Rows <= 1;

    /// <summary>The device that holds the elements.</summary>
    /// <exception cref="ObjectDisposedException">The array's scope has ended.</exception>
    public Device Device => Storage.Device;

    /// <summary>
    /// Whether this is an array; false for <c>default</c>, which stands for an absent optional argument.
    /// </summary>
    public bool Exists => _storage is not null;

    /// <summary>
    /// Whether a tape records operations on this array: it is trainable, watched, or computed under the tape.
    /// </summary>
    public bool RequiresGradient => Exists && (Storage.IsTrainable || Tape.IsFollowed(Storage));

    /// <summary>Whether this is an array whose memory has not been freed.</summary>
    internal bool IsAlive => _storage?.Generation == _generation;

    /// <summary>Offset of the first element in the storage.</summary>
    internal nint Offset { get; }

    internal Storage Storage
    {
        get
        {
            Storage storage = _storage ?? throw Absent();
            return storage.Generation == _generation ? storage : throw storage.Ended(nameof(DeviceArray));
        }
    }

    /// <summary>Views the same elements with another shape.</summary>
    /// <param name="shape">
    /// The new shape. It has the same number of elements, and the same last axis if this array is a slice.
    /// </param>
    /// <returns>A view.</returns>
    /// <exception cref="ArgumentException">
    /// The number of elements differs; or the last axis changes, and the array is a slice or stored in blocks.
    /// </exception>
    public DeviceArray Reshape(Shape shape)
    {
        RequireExists();
        if (shape.Count != Shape.Count)
        {
            throw new ArgumentException(
                $"Cannot reshape {Shape} to {shape}: {Shape.Count} and {shape.Count} elements.");
        }

        if (!IsContiguous && shape.Width != Shape.Width)
        {
            throw new ArgumentException($"Cannot reshape a slice {Shape} to {shape}: its last axis must stay.");
        }

        if (Precision.HasBlocks() && shape.Width != Shape.Width)
        {
            throw new ArgumentException(
                $"Cannot reshape {Shape} of {Precision} to {shape}: its last axis must stay, because its rows are " +
                "whole blocks with their scales.");
        }

        return new(Storage, Offset, shape, shape.Width == Shape.Width ? Pitch : shape.Width);
    }

    /// <summary>Views a range of columns of the last axis.</summary>
    /// <param name="start">First column.</param>
    /// <param name="width">Number of columns.</param>
    /// <returns>A view whose rows keep this array's pitch.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The columns are outside the last axis.</exception>
    /// <exception cref="ArgumentException">The array is stored in blocks, so its rows cannot be split.</exception>
    public DeviceArray Slice(int start, int width)
    {
        RequireExists();
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(width);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(width, Shape.Width - start);
        if (Precision.HasBlocks() && width != Shape.Width)
        {
            throw new ArgumentException(
                $"Cannot slice columns {start} to {start + width - 1} of {Shape} of {Precision}: its rows are whole " +
                "blocks with their scales.");
        }

        return new(Storage, Offset + start, Shape.WithWidth(width), Pitch);
    }

    /// <summary>Copies the elements to the host in row-major order.</summary>
    /// <param name="target">At least <c>Shape.Count</c> floats.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="target"/> is too short.</exception>
    public void CopyTo(Span<float> target)
    {
        RequireExists();
        if (target.Length < Shape.Count)
        {
            throw new ArgumentOutOfRangeException(
                nameof(target),
                $"An array of shape {Shape} has {Shape.Count} elements; found room for {target.Length}.");
        }

        using DeviceScope scope = Device.Scope();
        Device.RequireContext().Require(Storage);
        Device.Download(this, target[..(int)Shape.Count]);
    }

    /// <summary>Copies elements from the host in row-major order.</summary>
    /// <param name="source">Exactly <c>Shape.Count</c> floats.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="source"/> has another length.</exception>
    public void CopyFrom(ReadOnlySpan<float> source)
    {
        RequireExists();
        if (source.Length != Shape.Count)
        {
            throw new ArgumentOutOfRangeException(
                nameof(source), $"An array of shape {Shape} has {Shape.Count} elements; found {source.Length} values.");
        }

        Write(source, this);
    }

    /// <summary>
    /// Overwrites the elements with those of another array on the same device. Tapes do not record it. Use it to update
    /// weights, buffers and states in place.
    /// </summary>
    /// <param name="source">An array of the same shape on the same device; its precision may differ.</param>
    /// <exception cref="ArgumentException">The other array has another shape or device.</exception>
    public void CopyFrom(DeviceArray source)
    {
        RequireExists();
        source.RequireExists();
        if (source.Shape != Shape || source.Device != Device)
        {
            throw new ArgumentException(
                $"Expected an array {Shape} on \"{Device}\"; found {source.Shape} on \"{source.Device}\".",
                nameof(source));
        }

        Storage storage = Storage;
        storage.RequireUnclaimed();
        using DeviceScope scope = Device.Scope();
        Device.RequireContext().Require(storage);
        Device.RequireContext().Require(source.Storage);
        Device.Copy(source, this);
        storage.IsUnset = false;
        storage.Uploads++;
    }

    /// <summary>Copies the elements into a new host array.</summary>
    /// <returns>The elements in row-major order.</returns>
    /// <exception cref="NotSupportedException">There are more elements than a .NET array can hold.</exception>
    public float[] ToArray()
    {
        if (Shape.Count > Array.MaxLength)
        {
            throw new NotSupportedException(
                $"An array of .NET holds at most {Array.MaxLength} elements; {Shape} has {Shape.Count}. Copy slices " +
                "of it.");
        }

        float[] values = new float[Shape.Count];
        CopyTo(values);
        return values;
    }

    /// <summary>Copies the elements into a new host tensor.</summary>
    /// <returns>A dense tensor of the same shape.</returns>
    public Tensor<float> ToTensor() =>
        Tensor.Create(ToArray(), Array.ConvertAll(Shape.ToArray(), size => (nint)size));

    /// <inheritdoc/>
    public override string ToString() => Exists ? $"{Shape} on {_storage!.Device}" : "no array";

    /// <summary>Throws if a required array is absent.</summary>
    internal static void Require(string name, DeviceArray array)
    {
        if (!array.Exists)
        {
            throw new ArgumentException($"{name} is required; found none (default).");
        }
    }

    /// <summary>Throws if a required array is absent or has another shape than expected.</summary>
    internal static void Require(string name, DeviceArray array, Shape expected)
    {
        if (!array.Exists)
        {
            throw new ArgumentException($"{name} is required, of shape {expected}; found none (default).");
        }

        RequireOptional(name, array, expected);
    }

    /// <summary>Throws if an array exists and has another shape than expected.</summary>
    internal static void RequireOptional(string name, DeviceArray array, Shape expected)
    {
        if (array.Exists && array.Shape != expected)
        {
            throw new ArgumentException($"Expected {name} of shape {expected}; found {array.Shape}.");
        }
    }

    /// <summary>
    /// Copies a range of elements, counted in row-major order, to the host. The array may have any size and precision.
    /// </summary>
    internal void ReadElements(nint start, Span<float> target)
    {
        using DeviceScope scope = Device.Scope();
        if (IsContiguous && !Precision.HasBlocks())
        {
            Device.Download(Elements(start, target.Length), target);
            return;
        }

        // Copies whole rows to contiguous float32 memory first, because a slice is strided and blocks are compressed.
        nint first = start / Shape.Width, end = (start + target.Length + Shape.Width - 1) / Shape.Width;
        DeviceArray rows = Device.Allocate([checked((int)(end - first)), Shape.Width]);
        Device.Copy(RowRange(first, rows.Shape[0]), rows);
        Device.Download(rows.Elements(start - (first * Shape.Width), target.Length), target);
    }

    /// <summary>Copies host elements into a range of this contiguous array, counted in row-major order.</summary>
    internal void WriteElements(nint start, ReadOnlySpan<float> source) =>
        Write(source, Elements(start, source.Length));

    /// <summary>Views <paramref name="count"/> rows from row <paramref name="start"/> on as a matrix.</summary>
    internal DeviceArray RowRange(nint start, int count) =>
        new(Storage, Offset + (start * Pitch), [count, Shape.Width], Pitch);

    /// <summary>
    /// Views [batch, channels] as sequences of one token, [batch, 1, channels]; returns other arrays unchanged.
    /// </summary>
    internal DeviceArray AsToken() =>
        Exists && Shape.Rank == 2 ? Reshape([Shape[0], 1, Shape.Width]) : this;

    private void RequireExists()
    {
        if (!Exists)
        {
            throw Absent();
        }
    }

    private static InvalidOperationException Absent() =>
        new("This is no array (default); Device.Array and others make one.");

    private static void Write(ReadOnlySpan<float> source, DeviceArray target)
    {
        Storage storage = target.Storage;
        storage.RequireUnclaimed();
        using DeviceScope scope = storage.Device.Scope();
        storage.Device.RequireContext().Require(storage);
        storage.Device.Upload(source, target);
        storage.IsUnset = false;
        storage.Uploads++;
    }

    /// <summary>Views a range of elements of a contiguous array of any size as one row.</summary>
    private DeviceArray Elements(nint start, int count) => new(Storage, Offset + start, [1, count], count);

    /// <summary>The gradient of these elements; <c>default</c> if their memory has none.</summary>
    internal DeviceArray Gradient => Storage is { Gradient: { } gradient } storage
        ? new(gradient, storage.GradientStart + Offset, Shape, Pitch)
        : default;
}
