using System.Numerics.Tensors;

namespace Mamba.Memory;

/// <summary>
/// Integers in a device's memory, such as token ids or row indices. The scope in which they were made frees them;
/// without a scope, the caller does. Orders of tokens are <see cref="Orders.ScanOrder"/>s instead, whose copies devices
/// own.
/// </summary>
/// <example>
/// <code>
/// IndexArray reversed = device.Indices([2, 1, 0]);
/// DeviceArray backward = Functions.Gather(x, reversed);
/// </code>
/// </example>
public readonly struct IndexArray
{
    private readonly Storage? _storage;
    private readonly int _generation;

    internal IndexArray(Storage storage, ReadOnlySpan<int> values)
    {
        _storage = storage;
        _generation = storage.Generation;
        Length = values.Length;
        Minimum = values.IsEmpty ? 0 : TensorPrimitives.Min(values);
        Maximum = values.IsEmpty ? -1 : TensorPrimitives.Max(values);
    }

    /// <summary>Number of integers.</summary>
    public int Length { get; }

    /// <summary>The smallest integer; 0 if empty.</summary>
    internal int Minimum { get; }

    /// <summary>The largest integer; -1 if empty.</summary>
    /// <remarks>Kept on the host, so that indices can be range-checked without reading device memory.</remarks>
    internal int Maximum { get; }

    /// <summary>Whether these are indices whose memory has not been freed.</summary>
    internal bool IsAlive => _storage?.Generation == _generation;

    internal Storage Storage
    {
        get
        {
            Storage storage = _storage ?? throw new InvalidOperationException("This index array is empty (default).");
            return storage.Generation == _generation ? storage : throw storage.Ended(nameof(IndexArray));
        }
    }
}
