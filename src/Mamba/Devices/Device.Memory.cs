namespace Mamba.Devices;

/// <content>Memory: what lives in scopes, what is owned, and the pool that scopes give back to.</content>
public abstract partial class Device
{
    private readonly Dictionary<nint, Stack<Storage>> _pool = [];
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
    /// <returns>The array.</returns>
    public DeviceArray Allocate(Shape shape)
    {
        if (_scopes.Count == 0)
        {
            return AllocateOwned(shape);
        }

        Storage storage = Rent(shape.Count);
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

        if (storage.Gradient is { } gradient && _owned.Remove(gradient))
        {
            Discard(gradient);
        }

        Discard(storage);
    }

    /// <summary>Frees everything that was allocated on this device.</summary>
    public void Dispose()
    {
        foreach (Storage storage in _scoped.Concat(_owned).Concat(_pool.Values.SelectMany(free => free)))
        {
            Discard(storage);
        }

        _scoped.Clear();
        _owned.Clear();
        _pool.Clear();
        Close();
        GC.SuppressFinalize(this);
    }

    /// <summary>Allocates an array that no scope frees: parameters, their gradients, states.</summary>
    internal DeviceArray AllocateOwned(Shape shape)
    {
        Storage storage = Create(shape.Count);
        _owned.Add(storage);
        return new(storage, 0, shape, shape.Width);
    }

    /// <summary>Allocates a gradient, of zeros, that lives at least as long as the tape: as long as an owned storage.</summary>
    internal DeviceArray AllocateGradient(Storage storage)
    {
        Shape shape = [checked((int)storage.Length)];
        DeviceArray gradient = _owned.Contains(storage) ? AllocateOwned(shape) : Allocate(shape);
        Fill(gradient, 0f);
        return gradient;
    }

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
            _pool[_scoped[i].Length].Push(_scoped[i]);
        }

        _scoped.RemoveRange(start, _scoped.Count - start);
    }

    private Storage Rent(nint length)
    {
        nint size = SizeClass(length);
        if (!_pool.TryGetValue(size, out Stack<Storage>? free))
        {
            _pool.Add(size, free = new());
        }

        return free.Count > 0 ? free.Pop() : Create(size);
    }

    private Storage Create(nint length)
    {
        AllocatedBytes += length * sizeof(float);
        return CreateStorage(length);
    }

    private void Discard(Storage storage)
    {
        AllocatedBytes -= storage.Length * sizeof(float);
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
