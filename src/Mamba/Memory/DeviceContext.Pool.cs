using Mamba.Devices;

namespace Mamba.Memory;

/// <content>The pool: memory that ended scopes returned, for later scopes. Only the owner's thread uses it.</content>
internal sealed partial class DeviceContext
{
    private readonly Dictionary<(nint Size, Precision Precision), Stack<Storage>> _pool = [];
    private List<(Storage Storage, int Generation)>? _made;
    private int _constructions;
    private long _pooledBytes;
    private volatile bool _isTrimWanted;

    /// <summary>Number of allocations that the pool could not serve.</summary>
    public long Allocations { get; private set; }

    /// <summary>Number of times that the pool was emptied.</summary>
    public long Trims { get; private set; }

    /// <summary>Whether no recording refers to the owned memory that this thread frees now.</summary>
    public bool FreesUnrecorded { get; set; }

    /// <summary>Bytes in the pool; other threads may read it.</summary>
    public long PooledBytes => Volatile.Read(ref _pooledBytes);

    /// <summary>
    /// Whether another thread has asked to empty the pool. That happens when the outermost scope ends.
    /// </summary>
    public bool IsTrimWanted
    {
        get => _isTrimWanted;
        set => _isTrimWanted = value;
    }

    /// <summary>Allocates memory for a scope, from the pool if possible.</summary>
    /// <param name="length">Minimum number of elements.</param>
    /// <param name="precision">Precision of the elements.</param>
    /// <param name="depth">Depth of the scope.</param>
    public Storage Rent(nint length, Precision precision, int depth)
    {
        nint size = Device.RentsExactSizes ? Math.Max(length, 1) : SizeClass(length);
        Stack<Storage> free = Pool(size, precision);
        Storage storage;
        if (free.Count > 0)
        {
            storage = free.Pop();
            _pooledBytes -= storage.Bytes;
        }
        else
        {
            storage = Device.Create(size, precision);
            Allocations++;
            storage.Context = this;
        }

        storage.Taken();
        Recorded?.Add(storage);
        storage.Depth = depth;
        Add(storage, _frames[depth - 1]);
        return storage;
    }

    /// <summary>Records that this thread has allocated owned memory.</summary>
    public void NoteOwned(Storage storage)
    {
        Allocations++;
        _made?.Add((storage, storage.Generation));
    }

    /// <summary>Begins to track allocations of owned memory.</summary>
    /// <returns>Number of allocations tracked so far, for <see cref="ReleaseMadeSince"/>.</returns>
    public int BeginConstruction()
    {
        _constructions++;
        _made ??= [];
        return _made.Count;
    }

    /// <summary>Frees owned memory that was allocated since a start and has not been freed.</summary>
    public void ReleaseMadeSince(int start)
    {
        foreach ((Storage storage, int generation) in _made!.Skip(start).ToArray())
        {
            if (storage.Generation == generation)
            {
                Device.Release(storage);
            }
        }
    }

    /// <summary>Ends the tracking that <see cref="BeginConstruction"/> began.</summary>
    public void EndConstruction()
    {
        if (--_constructions == 0)
        {
            _made = null;
        }
    }

    /// <summary>Removes captured memory from the pool, so that only its recording owns it.</summary>
    public void Withdraw(HashSet<Storage> memory)
    {
        foreach (Stack<Storage> free in _pool.Values)
        {
            Storage[] all = [.. free];
            free.Clear();
            foreach (Storage storage in Enumerable.Reverse(all))
            {
                if (memory.Contains(storage))
                {
                    _pooledBytes -= storage.Bytes;
                }
                else
                {
                    free.Push(storage);
                }
            }
        }
    }

    /// <summary>Adds memory to the pool that no scope uses.</summary>
    public void Put(Storage storage)
    {
        storage.Context = this;
        Keep(storage);
    }

    /// <summary>Frees the memory in the pool. Does nothing during a capture, which refers to that memory.</summary>
    public void Trim()
    {
        if (Recorded is not null)
        {
            return;
        }

        IsTrimWanted = false;
        Trims++;
        foreach (Storage storage in _pool.Values.SelectMany(free => free))
        {
            Device.Discard(storage);
        }

        _pool.Clear();
        _pooledBytes = 0;
    }

    private void GiveBack(Storage storage)
    {
        storage.Retire();
        Keep(storage);
    }

    private void Keep(Storage storage)
    {
        if (!Device.HasRoomInPools(storage.Bytes) && Recorded?.Contains(storage) != true)
        {
            Device.Discard(storage);
            return;
        }

        Pool(storage.Length, storage.Precision).Push(storage);
        _pooledBytes += storage.Bytes;
    }

    private Stack<Storage> Pool(nint size, Precision precision)
    {
        if (!_pool.TryGetValue((size, precision), out Stack<Storage>? free))
        {
            _pool.Add((size, precision), free = new());
        }

        return free;
    }

    /// <summary>
    /// Rounds up to 1, 1.25, 1.5 or 1.75 times a power of two (up to 512: to a multiple of 64), so that similar lengths
    /// share memory.
    /// </summary>
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
