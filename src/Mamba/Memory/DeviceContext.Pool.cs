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

    /// <summary>Counts how often memory was taken that the pool did not have.</summary>
    public long Allocations { get; private set; }

    /// <summary>Counts how often the pool was emptied.</summary>
    public long Trims { get; private set; }

    /// <summary>Whether owned memory that this thread frees now is known to no recording.</summary>
    public bool FreesUnrecorded { get; set; }

    /// <summary>Bytes that the pool keeps; other threads may read it.</summary>
    public long PooledBytes => Volatile.Read(ref _pooledBytes);

    /// <summary>Whether another thread has asked to empty the pool, which happens after the outermost scope.</summary>
    public bool IsTrimWanted
    {
        get => _isTrimWanted;
        set => _isTrimWanted = value;
    }

    /// <summary>Takes memory for a scope, of the pool if that has some.</summary>
    /// <param name="length">Number of elements, at least.</param>
    /// <param name="precision">How they are stored.</param>
    /// <param name="depth">The scope.</param>
    public Storage Rent(nint length, Precision precision, int depth)
    {
        nint size = SizeClass(length);
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

    /// <summary>Notes owned memory that this thread has taken.</summary>
    public void NoteOwned(Storage storage)
    {
        Allocations++;
        _made?.Add((storage, storage.Generation));
    }

    /// <summary>Begins to remember what owned memory is taken.</summary>
    /// <returns>How much was remembered before.</returns>
    public int BeginConstruction()
    {
        _constructions++;
        _made ??= [];
        return _made.Count;
    }

    /// <summary>Frees the owned memory that was taken since, if it has not been freed.</summary>
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

    /// <summary>Ends what <see cref="BeginConstruction"/> began.</summary>
    public void EndConstruction()
    {
        if (--_constructions == 0)
        {
            _made = null;
        }
    }

    /// <summary>Keeps memory that was captured no longer than its recording: it is no scope's.</summary>
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

    /// <summary>Takes over memory that no scope uses.</summary>
    public void Put(Storage storage)
    {
        storage.Context = this;
        Keep(storage);
    }

    /// <summary>Frees what the pool keeps; not while work is captured, which refers to it.</summary>
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
