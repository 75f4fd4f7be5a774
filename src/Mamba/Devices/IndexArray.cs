namespace Mamba.Devices;

/// <summary>Integers in a device's memory: token ids, or the order in which a scan visits its tokens.</summary>
public readonly struct IndexArray
{
    private readonly Storage? _storage;
    private readonly int _generation;

    internal IndexArray(Storage storage, int length)
    {
        _storage = storage;
        _generation = storage.Generation;
        Length = length;
    }

    /// <summary>Number of integers.</summary>
    public int Length { get; }

    internal Storage Storage
    {
        get
        {
            Storage storage = _storage ?? throw new InvalidOperationException("This index array is empty (default).");
            ObjectDisposedException.ThrowIf(storage.Generation != _generation, typeof(IndexArray));
            return storage;
        }
    }
}
