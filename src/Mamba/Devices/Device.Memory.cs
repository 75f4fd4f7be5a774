using Mamba.Memory;

namespace Mamba.Devices;

/// <content>Memory: what lives in scopes, what is owned, and the pool that scopes give back to.</content>
public abstract partial class Device
{
    private readonly HashSet<Storage> _owned = [];
    private long _allocatedBytes;
    private long _allocations;
    private long _poolLimit = long.MaxValue;

    /// <summary>Memory of all arrays that live, and of those that are kept for the next scope.</summary>
    public long AllocatedBytes => Interlocked.Read(ref _allocatedBytes);

    /// <summary>
    /// The most bytes that ended scopes may leave in the pools of all threads for the next ones; by default unlimited.
    /// What would exceed it is freed.
    /// </summary>
    /// <remarks>
    /// A limit below what one step needs makes every step allocate. If the pools keep more than a new limit they are
    /// emptied, as by <see cref="TrimPool"/>. On a GPU, what is freed stays reserved until <see cref="TrimPool"/>.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">The limit is negative.</exception>
    public long PoolLimit
    {
        get => Volatile.Read(ref _poolLimit);
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            Volatile.Write(ref _poolLimit, value);
            if (PooledBytes() > value)
            {
                TrimPool();
            }
        }
    }

    /// <summary>Counts how often memory was taken that the pool did not have.</summary>
    internal long Allocations => Interlocked.Read(ref _allocations);

    /// <summary>Frees the memory that ended scopes have left for the next ones.</summary>
    /// <remarks>A pool of another thread with a scope open is emptied when its outermost scope ends.</remarks>
    public void TrimPool()
    {
        lock (_gate)
        {
            ReclaimDead();
            DeviceContext? own = DeviceContext.Of(this);
            bool isShared = false;
            foreach (DeviceContext context in _inside)
            {
                if (context != own)
                {
                    context.IsTrimWanted = isShared = true;
                }
            }

            own?.Trim();
            if (isShared && !AllowsManyThreads)
            {
                return; // the thread inside frees what there is when it leaves
            }

            foreach (DeviceContext context in _idle)
            {
                context.Trim();
            }

            Trimmed();
        }
    }

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
    /// <exception cref="InvalidOperationException">Another thread uses the device, a GPU.</exception>
    public DeviceArray Allocate(Shape shape, Precision precision = Precision.Float32) =>
        DeviceContext.Of(this) is { } context
            ? Allocate(context, shape, precision)
            : AllocateOwned(shape, precision);

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
        Allocate(DeviceContext.Of(this) ?? throw NotHeld(), shape, precision);

    /// <summary>Allocates the output of a layer, stored as activations are on this device.</summary>
    internal DeviceArray AllocateActivation(Shape shape) => AllocateOutput(shape, ActivationPrecision);

    /// <summary>Allocates a gradient, of zeros, that lives as long as what it is the gradient of.</summary>
    internal Storage AllocateGradient(Storage storage)
    {
        DeviceContext context = RequireContext();
        context.Require(storage);
        Storage gradient = storage.IsOwned
            ? CreateOwned(storage.Length, Precision.Float32)
            : context.Rent(storage.Length, Precision.Float32, storage.Depth);
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
    internal bool IsInInnermostScope(Storage storage) =>
        DeviceContext.Of(this) is { } context && storage.Context == context && storage.Depth == context.Depth;

    /// <summary>Frees an array of the innermost scope before that ends; nothing may refer to it.</summary>
    internal void EndEarly(DeviceArray array) => RequireContext().EndEarly(array.Storage);

    /// <summary>Sets all elements to zero, of which there may be more than one axis can count.</summary>
    internal void Clear(Storage storage)
    {
        const int Width = 1 << 20;
        nint rows = storage.Length / Width, rest = storage.Length % Width;
        Fill(new(storage, 0, [checked((int)rows), Width], Width), 0f);
        Fill(new(storage, rows * Width, [(int)rest], rest), 0f);
    }

    /// <summary>Is told that the pools have given back memory, which a backend may keep, too.</summary>
    private protected virtual void Trimmed()
    {
    }

    /// <summary>Notes that memory has left all scopes, and is freed by its owner.</summary>
    internal void Own(Storage storage)
    {
        lock (_gate)
        {
            _owned.Add(storage);
        }

        DeviceContext.Of(this)?.NoteOwned(storage);
    }

    /// <summary>Takes memory that no pool has.</summary>
    internal Storage Create(nint length, Precision precision)
    {
        Storage storage = CreateStorage(length, precision);
        Interlocked.Add(ref _allocatedBytes, storage.Bytes);
        Interlocked.Increment(ref _allocations);
        return storage;
    }

    /// <summary>Frees memory that no scope and nobody else uses.</summary>
    internal void Discard(Storage storage)
    {
        Interlocked.Add(ref _allocatedBytes, -storage.Bytes);
        storage.Retire();
        storage.Free();
    }

    /// <summary>Whether a pool may keep some more bytes.</summary>
    internal bool HasRoomInPools(long bytes)
    {
        long limit = PoolLimit;
        return limit == long.MaxValue || PooledBytes() <= limit - bytes;
    }

    private long PooledBytes()
    {
        long sum = 0;
        foreach (DeviceContext context in _contexts)
        {
            sum += context.PooledBytes;
        }

        return sum;
    }

    private static DeviceArray Allocate(DeviceContext context, Shape shape, Precision precision)
    {
        context.Device.RequireUsable();
        RequireRowsOf(shape, precision);
        return new(context.Rent(shape.Count, precision, context.Depth), 0, shape, shape.Width);
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

    /// <summary>Frees owned memory and its gradient, now or when no other thread uses them any more.</summary>
    internal void Release(Storage storage)
    {
        Storage? gradient = storage is { SharesGradient: false, Gradient: { } own } ? own : null;
        lock (_gate)
        {
            storage.Retire();
            gradient?.Retire();
            long stamp = ++_stamp;
            DeviceContext? context = DeviceContext.Of(this);
            if (FindUser(stamp, context) is { } user)
            {
                user.Waiting.Add(new(() => FreeOwned(storage, gradient), stamp, context));
            }
            else
            {
                FreeOwned(storage, gradient);
            }
        }
    }

    /// <summary>Frees owned memory that is retired. The gate is held.</summary>
    private void FreeOwned(Storage storage, Storage? gradient)
    {
        FreeOwned(storage);
        if (gradient is not null)
        {
            FreeOwned(gradient);
        }
    }

    private void FreeOwned(Storage storage)
    {
        if (_owned.Remove(storage))
        {
            Interlocked.Add(ref _allocatedBytes, -storage.Bytes);
            storage.Free();
            if (DeviceContext.Of(this) is not { FreesUnrecorded: true })
            {
                VoidRecordings();
            }
        }
    }

    private Storage CreateOwned(nint length, Precision precision)
    {
        Storage storage = Create(length, precision);
        storage.Taken();
        Own(storage);
        return storage;
    }

    /// <summary>Frees all memory, of owners and pools; no scope is open. The gate is held.</summary>
    private void DiscardAll()
    {
        foreach (DeviceContext context in _idle)
        {
            context.Trim();
        }

        foreach (Storage storage in _owned)
        {
            Discard(storage);
        }

        _owned.Clear();
    }
}
