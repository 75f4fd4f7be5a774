namespace Mamba.Devices;

/// <summary>Frees what was allocated since <see cref="Device.Scope"/>, when disposed.</summary>
/// <example>
/// A scope for every round of a loop keeps memory constant:
/// <code>
/// while (...)
/// {
///     using DeviceScope scope = device.Scope();
///     DeviceArray y = mixer.Step(device.Array([1, 1, 64], token), state);
///     y.CopyTo(values);
/// }
/// </code>
/// </example>
public readonly struct DeviceScope : IDisposable
{
    private readonly Device? _device;
    private readonly int _depth;
    private readonly long _id;

    internal DeviceScope(Device device, int depth, long id)
    {
        _device = device;
        _depth = depth;
        _id = id;
    }

    private Device Device => _device
        ?? throw new InvalidOperationException("This scope is empty (default); Device.Scope() begins one.");

    /// <summary>Lets an array outlive this scope: it then belongs to the enclosing scope, or to the caller.</summary>
    /// <param name="array">An array that was allocated in this scope, or in one inside it.</param>
    /// <returns>The array.</returns>
    /// <exception cref="ArgumentException">The array is on another device.</exception>
    /// <exception cref="InvalidOperationException">The scope has ended, or another thread opened it.</exception>
    public DeviceArray Keep(DeviceArray array)
    {
        Device.KeepBeyond(_depth, _id, array.Storage);
        return array;
    }

    /// <summary>Lets indices outlive this scope: they then belong to the enclosing scope, or to the caller.</summary>
    /// <param name="indices">Indices that were allocated in this scope, or in one inside it.</param>
    /// <returns>The indices.</returns>
    /// <exception cref="ArgumentException">The indices are on another device.</exception>
    /// <exception cref="InvalidOperationException">The scope has ended, or another thread opened it.</exception>
    public IndexArray Keep(IndexArray indices)
    {
        Device.KeepBeyond(_depth, _id, indices.Storage);
        return indices;
    }

    /// <summary>Frees the scope's arrays.</summary>
    /// <exception cref="InvalidOperationException">
    /// An inner scope has not been disposed, this one has been disposed already, or another thread opened it.
    /// </exception>
    public void Dispose() => Device.EndScope(_depth, _id);
}
