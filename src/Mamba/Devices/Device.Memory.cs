namespace Mamba.Devices;

/// <content>Memory: what lives in scopes, what is owned, and the pool that scopes give back to.</content>
public abstract partial class Device
{
    private readonly Dictionary<(nint Size, Precision Precision), Stack<Storage>> _pool = [];
    private readonly List<Storage> _scoped = [];
    private readonly List<int> _scopes = [];
    private readonly HashSet<Storage> _owned = [];

    /// <summary>Memory of all arrays that live, and of those that are kept for the next scope.</summary>
    public long AllocatedBytes { get; private set; }

    /// <summary>Begins a scope; what is allocated until its end is freed then.</summary>
    /// <returns>The scope, to be disposed.</returns>
    public DeviceScope Scope()
    {
        _scopes.Add(_scoped.Count);
        return new(this, _scopes.Count);
    }

    /// <summary>Allocates an array whose elements are not set: in the innermost scope, or for the caller to free.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="precision">How the elements are stored.</param>
    /// <returns>The array.</returns>
    /// <exception cref="ArgumentException">Blocks do not fill the rows, or the device's rows are narrower.</exception>
    /// <exception cref="InsufficientMemoryException">The device's memory does not suffice.</exception>
    public DeviceArray Allocate(Shape shape, Precision precision = Precision.Float32)
    {
        RequireRowsOf(shape, precision);
        if (_scopes.Count == 0)
        {
            return AllocateOwned(shape, precision);
        }

        Storage storage = Rent(shape.Count, precision);
        _scoped.Add(storage);
        return new(storage, 0, shape, shape.Width);
    }

    /// <summary>Frees an array that was allocated outside of any scope.</summary>
    /// <param name="array">The array.</param>
    /// <exception cref="InvalidOperationException">The array belongs to a scope.</exception>
    public void Free(DeviceArray array)
    {
        Storage storage = array.Storage;
        if (!_owned.Remove(storage))
        {
            throw new InvalidOperationException("This array belongs to a scope, which frees it.");
        }

        if (storage is { SharesGradient: false, Gradient: { } gradient } && _owned.Remove(gradient))
        {
            Discard(gradient);
        }

        Discard(storage);
        VoidRecordings();
    }

    /// <summary>Frees everything that was allocated on this device.</summary>
    public void Dispose()
    {
        foreach (Recording recording in _recordings.ToArray())
        {
            recording.Dispose();
        }

        TrimPool();
        foreach (Storage storage in _scoped.Concat(_owned))
        {
            Discard(storage);
        }

        _scoped.Clear();
        _owned.Clear();
        Close();
        GC.SuppressFinalize(this);
    }

    /// <summary>Allocates an array that no scope frees: parameters, their gradients, states.</summary>
    internal DeviceArray AllocateOwned(Shape shape, Precision precision = Precision.Float32)
    {
        Storage storage = Create(shape.Count, precision);
        _owned.Add(storage);
        return new(storage, 0, shape, shape.Width);
    }

    /// <summary>Allocates the output of a layer, stored as activations are on this device.</summary>
    internal DeviceArray AllocateActivation(Shape shape) => Allocate(shape, ActivationPrecision);

    /// <summary>Allocates a gradient, of zeros, that lives as long as what it is the gradient of.</summary>
    internal DeviceArray AllocateGradient(Storage storage)
    {
        Shape shape = [checked((int)storage.Length)];
        DeviceArray gradient = _owned.Contains(storage) ? AllocateOwned(shape) : AllocateBeside(storage, shape);
        Fill(gradient, 0f);
        return gradient;
    }

    /// <summary>Allocates an array in the scope, not always the innermost one, that a storage lives in.</summary>
    private DeviceArray AllocateBeside(Storage storage, Shape shape)
    {
        DeviceArray array = Allocate(shape);
        int depth = _scopes.Count, index = depth > 1 ? _scoped.LastIndexOf(storage) : 0;
        while (depth > 1 && index < _scopes[depth - 1])
        {
            depth--;
        }

        if (depth < _scopes.Count)
        {
            KeepBeyond(depth + 1, array.Storage);
        }

        return array;
    }

    /// <summary>Whether memory belongs to the scope that ends next.</summary>
    internal bool IsInInnermostScope(Storage storage) =>
        _scopes.Count > 0 && _scoped.LastIndexOf(storage) >= _scopes[^1];

    internal void KeepBeyond(int depth, Storage storage)
    {
        int index = _scoped.LastIndexOf(storage);
        if (index < _scopes[depth - 1])
        {
            return; // belongs to an outer scope, or to nobody, already
        }

        _scoped.RemoveAt(index);
        if (depth == 1)
        {
            _owned.Add(storage);
            return;
        }

        _scoped.Insert(_scopes[depth - 1], storage);
        for (int i = depth - 1; i < _scopes.Count; i++)
        {
            _scopes[i]++;
        }
    }

    internal void EndScope(int depth)
    {
        if (depth < _scopes.Count)
        {
            throw new InvalidOperationException("An inner scope of the device has not been disposed.");
        }

        if (depth > _scopes.Count)
        {
            return; // disposed twice
        }

        int start = _scopes[^1];
        _scopes.RemoveAt(_scopes.Count - 1);
        for (int i = _scoped.Count - 1; i >= start; i--)
        {
            _scoped[i].Retire();
            Pool(_scoped[i].Length, _scoped[i].Precision).Push(_scoped[i]);
        }

        _scoped.RemoveRange(start, _scoped.Count - start);
    }

    private static void RequireRowsOf(Shape shape, Precision precision)
    {
        if (!precision.FitsRowsOf(shape.Width))
        {
            throw new ArgumentException(
                $"Rows of {precision} are multiples of {PrecisionExtensions.Block} wide, at most " +
                $"{PrecisionExtensions.WidestRow}; found {shape}.");
        }
    }

    /// <summary>Frees what is kept for the next scope.</summary>
    private protected void TrimPool()
    {
        foreach (Storage storage in _pool.Values.SelectMany(free => free))
        {
            Discard(storage);
        }

        _pool.Clear();
    }

    private Storage Rent(nint length, Precision precision)
    {
        nint size = SizeClass(length);
        Stack<Storage> free = Pool(size, precision);
        Storage storage = free.Count > 0 ? free.Pop() : Create(size, precision);
        _recorded?.Add(storage);
        return storage;
    }

    private Stack<Storage> Pool(nint size, Precision precision)
    {
        if (!_pool.TryGetValue((size, precision), out Stack<Storage>? free))
        {
            _pool.Add((size, precision), free = new());
        }

        return free;
    }

    private Storage Create(nint length, Precision precision)
    {
        Storage storage = CreateStorage(length, precision);
        AllocatedBytes += storage.Bytes;
        return storage;
    }

    private void Discard(Storage storage)
    {
        AllocatedBytes -= storage.Bytes;
        storage.Retire();
        storage.Free();
    }

    /// <summary>Rounds up to a quarter of a power of two, so that lengths that differ a little share memory.</summary>
    private static nint SizeClass(nint length)
    {
        nint step = 64;
        while (step * 8 < length)
        {
            step *= 2;
        }

        return Math.Max((length + step - 1) / step, 1) * step;
    }
}
