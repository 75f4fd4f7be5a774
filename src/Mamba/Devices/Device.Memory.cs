namespace Mamba.Devices;

/// <content>Memory: what lives in scopes, what is owned, and the pool that scopes give back to.</content>
public abstract partial class Device
{
    private readonly Dictionary<(nint Size, Precision Precision), Stack<Storage>> _pool = [];
    private readonly HashSet<Storage> _owned = [];

    /// <summary>Memory of all arrays that live, and of those that are kept for the next scope.</summary>
    public long AllocatedBytes { get; private set; }

    /// <summary>Counts how often memory was taken that the pool did not have.</summary>
    internal long Allocations { get; private set; }

    /// <summary>
    /// Allocates an array whose elements are not set: in the innermost scope, or for the caller to free.
    /// </summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="precision">How the elements are stored.</param>
    /// <returns>The array.</returns>
    /// <exception cref="ArgumentException">Blocks do not fill the rows, or the device's rows are narrower.</exception>
    /// <exception cref="InsufficientMemoryException">
    /// The device's memory does not suffice. A CPU takes memory when an array is first used, so it may be thrown there.
    /// </exception>
    /// <exception cref="InvalidOperationException">Another thread uses the device.</exception>
    public DeviceArray Allocate(Shape shape, Precision precision = Precision.Float32)
    {
        if (!IsHeld)
        {
            return AllocateOwned(shape, precision);
        }

        RequireUsable();
        RequireRowsOf(shape, precision);
        Storage storage = Rent(shape.Count, precision, _depth);
        return new(storage, 0, shape, shape.Width);
    }

    /// <summary>Frees an array that was allocated outside of any scope.</summary>
    /// <param name="array">The array.</param>
    /// <exception cref="ArgumentException">The array is on another device.</exception>
    /// <exception cref="InvalidOperationException">The array belongs to a scope.</exception>
    /// <exception cref="ObjectDisposedException">The array has been freed already.</exception>
    public void Free(DeviceArray array)
    {
        RequireOwn(array.Storage);
        Release(array.Storage);
    }

    /// <summary>Frees indices that were allocated outside of any scope.</summary>
    /// <param name="indices">The indices.</param>
    /// <exception cref="ArgumentException">The indices are on another device.</exception>
    /// <exception cref="InvalidOperationException">The indices belong to a scope.</exception>
    /// <exception cref="ObjectDisposedException">The indices have been freed already.</exception>
    public void Free(IndexArray indices)
    {
        RequireOwn(indices.Storage);
        Release(indices.Storage);
    }

    /// <summary>Allocates an array that no scope frees: parameters, their gradients, states.</summary>
    internal DeviceArray AllocateOwned(Shape shape, Precision precision = Precision.Float32)
    {
        using DeviceScope scope = Scope();
        RequireRowsOf(shape, precision);
        return new(CreateOwned(shape.Count, precision), 0, shape, shape.Width);
    }

    /// <summary>Allocates the output of a function, which a scope must free.</summary>
    /// <exception cref="InvalidOperationException">There is no scope.</exception>
    internal DeviceArray AllocateOutput(Shape shape, Precision precision = Precision.Float32) =>
        IsHeld ? Allocate(shape, precision) : throw NotHeld(_holder);

    /// <summary>Allocates the output of a layer, stored as activations are on this device.</summary>
    internal DeviceArray AllocateActivation(Shape shape) => AllocateOutput(shape, ActivationPrecision);

    /// <summary>Allocates a gradient, of zeros, that lives as long as what it is the gradient of.</summary>
    internal Storage AllocateGradient(Storage storage)
    {
        Storage gradient = storage.IsOwned
            ? CreateOwned(storage.Length, Precision.Float32)
            : Rent(storage.Length, Precision.Float32, storage.Depth);
        Clear(gradient);
        return gradient;
    }

    /// <summary>
    /// Frees owned memory, if the device has not done so: after its disposal there is nothing left to free.
    /// </summary>
    internal void Release(DeviceArray array)
    {
        if (array.IsAlive)
        {
            Release(array.Storage);
        }
    }

    /// <summary>Whether memory belongs to the scope that ends next.</summary>
    internal bool IsInInnermostScope(Storage storage) => _depth > 0 && storage.Depth == _depth;

    /// <summary>Sets all elements to zero, of which there may be more than one axis can count.</summary>
    internal void Clear(Storage storage)
    {
        const int Width = 1 << 20;
        nint rows = storage.Length / Width, rest = storage.Length % Width;
        Fill(new(storage, 0, [checked((int)rows), Width], Width), 0f);
        Fill(new(storage, rows * Width, [(int)rest], rest), 0f);
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

    /// <summary>The storages of layers, states and others that are owned, in no order.</summary>
    internal HashSet<Storage> OwnedStorages() => [.. _owned];

    /// <summary>Frees all owned memory but some: what a construction that failed has left behind.</summary>
    internal void ReleaseOwnedExcept(HashSet<Storage> kept)
    {
        foreach (Storage storage in _owned.Where(storage => !kept.Contains(storage)).ToArray())
        {
            Release(storage);
        }
    }

    private static void RequireRowsOf(Shape shape, Precision precision)
    {
        if (precision is < Precision.Float32 or > Precision.Int4)
        {
            throw new ArgumentOutOfRangeException(
                nameof(precision), precision, "Expected a precision that has a name.");
        }

        if (!precision.FitsRowsOf(shape.Width))
        {
            throw new ArgumentException(
                $"Rows of {precision} are multiples of {PrecisionExtensions.Block} wide, at most " +
                $"{PrecisionExtensions.WidestRow}; found {shape}.");
        }
    }

    private void RequireOwn(Storage storage)
    {
        if (storage.Device != this)
        {
            throw new ArgumentException($"The array is on \"{storage.Device}\"; it cannot be freed by \"{this}\".");
        }

        if (!storage.IsOwned)
        {
            throw new InvalidOperationException("This array belongs to a scope, which frees it.");
        }
    }

    /// <summary>Frees owned memory and its gradient, now or when the thread that uses the device is done.</summary>
    private void Release(Storage storage)
    {
        Storage? gradient = storage is { SharesGradient: false, Gradient: { } own } ? own : null;
        storage.Retire();
        FreeWhenUnused(storage);
        if (gradient is not null)
        {
            gradient.Retire();
            FreeWhenUnused(gradient);
        }
    }

    /// <summary>Frees owned memory that is retired.</summary>
    private void FreeOwned(Storage storage)
    {
        if (_owned.Remove(storage))
        {
            AllocatedBytes -= storage.Bytes;
            storage.Free();
            VoidRecordings();
        }
    }

    private Storage CreateOwned(nint length, Precision precision)
    {
        Storage storage = Create(length, precision);
        storage.Depth = 0;
        _owned.Add(storage);
        return storage;
    }

    private Storage Rent(nint length, Precision precision, int depth)
    {
        nint size = SizeClass(length);
        Stack<Storage> free = Pool(size, precision);
        Storage storage = free.Count > 0 ? free.Pop() : Create(size, precision);
        _recorded?.Add(storage);
        storage.Depth = depth;
        Add(storage, _frames[depth - 1]);
        return storage;
    }

    private void GiveBack(Storage storage)
    {
        storage.Retire();
        Pool(storage.Length, storage.Precision).Push(storage);
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
        Allocations++;
        return storage;
    }

    private void Discard(Storage storage)
    {
        AllocatedBytes -= storage.Bytes;
        storage.Retire();
        storage.Free();
    }

    /// <summary>Frees all memory, of scopes, owners and the pool.</summary>
    private void DiscardAll()
    {
        TrimPool();
        foreach (Storage storage in _frames.SelectMany(frame => frame.Storages).Concat(_owned))
        {
            Discard(storage);
        }

        _frames.Clear();
        _owned.Clear();
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
