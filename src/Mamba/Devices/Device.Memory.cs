using Mamba.Memory;

namespace Mamba.Devices;

/// <content>Memory: arrays in scopes, owned arrays, and the pool that ended scopes return memory to.</content>
public abstract partial class Device
{
    private readonly HashSet<Storage> _owned = [];
    private long _allocatedBytes;
    private long _allocations;
    private long _poolLimit = long.MaxValue;

    /// <summary>Bytes of all live arrays and of the pools.</summary>
    public long AllocatedBytes => Interlocked.Read(ref _allocatedBytes);

    /// <summary>
    /// The maximum number of bytes in the memory pools of all threads; unlimited by default. Memory beyond it is freed
    /// when a scope ends.
    /// </summary>
    /// <remarks>
    /// A limit below the needs of one step makes every step allocate. If the pools exceed a new limit, they are
    /// emptied, as by <see cref="TrimPool"/>. On a GPU, freed memory stays reserved until <see cref="TrimPool"/>.
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

    /// <summary>Number of allocations that no pool could serve.</summary>
    internal long Allocations => Interlocked.Read(ref _allocations);

    /// <summary>Frees the memory in the pools.</summary>
    /// <remarks>If another thread has a scope open, its pool is emptied when its outermost scope ends.</remarks>
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
                return; // the other thread trims its pool when it leaves
            }

            foreach (DeviceContext context in _idle)
            {
                context.Trim();
            }

            Trimmed();
        }
    }

    /// <summary>
    /// Allocates an uninitialised array: in the innermost scope, or, without one, for the caller to free.
    /// </summary>
    /// <param name="shape">The shape.</param>
    /// <param name="precision">The precision of the elements.</param>
    /// <returns>The array.</returns>
    /// <exception cref="ArgumentException">
    /// The rows are not a multiple of the block size, or exceed the maximum width.
    /// </exception>
    /// <exception cref="InsufficientMemoryException">
    /// The device's memory does not suffice. A CPU commits memory at the first write to an array, so it may be thrown
    /// there.
    /// </exception>
    /// <exception cref="InvalidOperationException">Another thread is using the device, which is a GPU.</exception>
    public DeviceArray Allocate(Shape shape, Precision precision = Precision.Float32) =>
        DeviceContext.Of(this) is { } context
            ? Allocate(context, shape, precision)
            : AllocateOwned(shape, precision);

    /// <summary>Frees an array that was allocated outside all scopes.</summary>
    /// <param name="array">The array.</param>
    /// <exception cref="ArgumentException">The array is on another device.</exception>
    /// <exception cref="InvalidOperationException">The array belongs to a scope.</exception>
    /// <exception cref="ObjectDisposedException">The array has been freed already.</exception>
    public void Free(DeviceArray array)
    {
        RequireOwn(array.Storage);
        Release(array.Storage);
    }

    /// <summary>Frees indices that were allocated outside all scopes.</summary>
    /// <param name="indices">The indices.</param>
    /// <exception cref="ArgumentException">The indices are on another device.</exception>
    /// <exception cref="InvalidOperationException">The indices belong to a scope.</exception>
    /// <exception cref="ObjectDisposedException">The indices have been freed already.</exception>
    public void Free(IndexArray indices)
    {
        RequireOwn(indices.Storage);
        Release(indices.Storage);
    }

    /// <summary>Allocates an array that no scope frees, for parameters, their gradients and states.</summary>
    internal DeviceArray AllocateOwned(Shape shape, Precision precision = Precision.Float32)
    {
        using DeviceScope scope = Scope();
        RequireRowsOf(shape, precision);
        return new(CreateOwned(shape.Count, precision), 0, shape, shape.Width);
    }

    /// <summary>Allocates a function's output in the innermost scope.</summary>
    /// <exception cref="InvalidOperationException">The calling thread has no scope open.</exception>
    internal DeviceArray AllocateOutput(Shape shape, Precision precision = Precision.Float32) =>
        Allocate(DeviceContext.Of(this) ?? throw NotHeld(), shape, precision);

    /// <summary>Allocates a layer's output in the device's activation precision.</summary>
    internal DeviceArray AllocateActivation(Shape shape) => AllocateOutput(shape, ActivationPrecision);

    /// <summary>Allocates a gradient of zeros with the same lifetime as the memory that it belongs to.</summary>
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

    /// <summary>Frees owned memory, unless the device has been disposed and has freed it already.</summary>
    internal void Release(DeviceArray array)
    {
        if (array.IsAlive)
        {
            Release(array.Storage);
        }
    }

    /// <summary>Whether memory belongs to the innermost scope.</summary>
    internal bool IsInInnermostScope(Storage storage) =>
        DeviceContext.Of(this) is { } context && storage.Context == context && storage.Depth == context.Depth;

    /// <summary>Frees an array of the innermost scope before the scope ends. Nothing may refer to the array.</summary>
    internal void EndEarly(DeviceArray array) => RequireContext().EndEarly(array.Storage);

    /// <summary>Sets all elements to zero; their number may exceed the limit of one axis.</summary>
    internal void Clear(Storage storage)
    {
        const int Width = 1 << 20;
        nint rows = storage.Length / Width, rest = storage.Length % Width;
        Fill(new(storage, 0, [checked((int)rows), Width], Width), 0f);
        Fill(new(storage, rows * Width, [(int)rest], rest), 0f);
    }

    /// <summary>Called after the pools have freed memory; a backend may then trim its own pool.</summary>
    private protected virtual void Trimmed()
    {
    }

    /// <summary>Moves memory out of all scopes, so that its owner frees it.</summary>
    internal void Own(Storage storage)
    {
        lock (_gate)
        {
            _owned.Add(storage);
        }

        DeviceContext.Of(this)?.NoteOwned(storage);
    }

    /// <summary>Allocates memory that no pool has.</summary>
    internal Storage Create(nint length, Precision precision)
    {
        Storage storage = CreateStorage(length, precision);
        Interlocked.Add(ref _allocatedBytes, storage.Bytes);
        Interlocked.Increment(ref _allocations);
        return storage;
    }

    /// <summary>Frees memory that is no longer in use.</summary>
    internal void Discard(Storage storage)
    {
        Interlocked.Add(ref _allocatedBytes, -storage.Bytes);
        storage.Retire();
        storage.Free();
    }

    /// <summary>Whether the pools may take that many more bytes.</summary>
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

    /// <summary>
    /// Whether rows of weights can be copied as they are stored, in every precision: <see cref="WriteRows"/> and
    /// <see cref="ReadRows"/>.
    /// </summary>
    internal virtual bool CopiesRows => false;

    /// <summary>Copies whole rows, as their precision stores them, from the host into a contiguous array.</summary>
    internal virtual void WriteRows(ReadOnlySpan<byte> source, DeviceArray target, nint row) =>
        throw new NotSupportedException($"\"{this}\" does not copy rows as they are stored.");

    /// <summary>Copies whole rows, as their precision stores them, from a contiguous array to the host.</summary>
    internal virtual void ReadRows(DeviceArray source, nint row, Span<byte> target) =>
        throw new NotSupportedException($"\"{this}\" does not copy rows as they are stored.");

    private static void RequireRowsOf(Shape shape, Precision precision)
    {
        if (precision is < Precision.Float32 or > Precision.Q6K)
        {
            throw new ArgumentOutOfRangeException(
                nameof(precision), precision, "Expected a precision that has a name.");
        }

        if (!precision.FitsRowsOf(shape.Width))
        {
            throw new ArgumentException(
                $"Rows of {precision} are multiples of {precision.Block()} wide, at most " +
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

    /// <summary>Frees owned memory and its gradient, now or when no other thread uses them.</summary>
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

    /// <summary>Frees retired owned memory. Requires the gate.</summary>
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

    /// <summary>Frees all memory, owned and pooled. Requires the gate and no open scope.</summary>
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
