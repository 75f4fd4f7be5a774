using System.Runtime.ExceptionServices;

namespace Mamba.Devices;

/// <summary>
/// Threads that live as long as their device and share out the items of one job at a time with the calling thread.
/// </summary>
/// <remarks>
/// Ours because a dispatch must cost microseconds and allocate nothing: a decoded token is some hundred of them. An idle
/// worker spins for a moment, since the next job is usually near, and then sleeps. Which thread runs which item is not
/// fixed; jobs are split so that it does not matter.
/// </remarks>
internal sealed unsafe class Workers : IDisposable
{
    private const int SpinsBeforeSleep = 2000;

    private readonly Thread[] _threads;
    private readonly ManualResetEventSlim[] _wake;
    private delegate*<void*, int, void> _body;
    private void* _job;
    private int _items;
    private int _next;
    private int _open;
    private int _inside;
    private int _busy;
    private int _sleeping;
    private volatile int _round;
    private volatile bool _stopping;
    private Exception? _failure;

    public Workers(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        _threads = new Thread[threads - 1];
        _wake = new ManualResetEventSlim[threads - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            ManualResetEventSlim wake = _wake[i] = new(false, 0);
            _threads[i] = new Thread(() => Work(wake)) { IsBackground = true, Name = $"Mamba worker {i + 1}" };
            _threads[i].Start();
        }
    }

    public int Count => _threads.Length + 1;

    /// <summary>Calls <paramref name="body"/> once for every item from 0 on, and returns when all are done.</summary>
    public void Run(delegate*<void*, int, void> body, void* job, int items)
    {
        // One item, or a call from inside a job: no one to share with.
        if (items <= 1 || _threads.Length == 0 || Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
        {
            for (int i = 0; i < items; i++)
            {
                body(job, i);
            }

            return;
        }

        _body = body;
        _job = job;
        _items = items;
        _next = 0;
        Interlocked.Exchange(ref _open, 1);
        _round++;
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _sleeping) > 0)
        {
            WakeAll();
        }

        TakeItems();

        // No worker may still hold the job when this frame ends.
        Interlocked.Exchange(ref _open, 0);
        SpinWait wait = default;
        while (Volatile.Read(ref _inside) > 0)
        {
            wait.SpinOnce(sleep1Threshold: -1);
        }

        Exception? failure = _failure;
        _failure = null;
        Volatile.Write(ref _busy, 0);
        if (failure is not null)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    public void Dispose()
    {
        _stopping = true;
        _round++;
        WakeAll();
        for (int i = 0; i < _threads.Length; i++)
        {
            _threads[i].Join();
            _wake[i].Dispose();
        }
    }

    private void WakeAll()
    {
        foreach (ManualResetEventSlim wake in _wake)
        {
            wake.Set();
        }
    }

    private void Work(ManualResetEventSlim wake)
    {
        int seen = 0;
        while (!_stopping)
        {
            seen = AwaitRoundAfter(seen, wake);
            Interlocked.Increment(ref _inside);
            if (Volatile.Read(ref _open) == 1)
            {
                TakeItems();
            }

            Interlocked.Decrement(ref _inside);
        }
    }

    private int AwaitRoundAfter(int seen, ManualResetEventSlim wake)
    {
        for (int spins = 0; _round == seen; spins++)
        {
            if (spins < SpinsBeforeSleep)
            {
                Thread.SpinWait(20);
                continue;
            }

            Interlocked.Increment(ref _sleeping);
            wake.Reset();
            if (_round == seen)
            {
                wake.Wait();
            }

            Interlocked.Decrement(ref _sleeping);
        }

        return _round;
    }

    private void TakeItems()
    {
        int item;
        while ((item = Interlocked.Increment(ref _next) - 1) < _items)
        {
            try
            {
                _body(_job, item);
            }
            catch (Exception exception)
            {
                Interlocked.CompareExchange(ref _failure, exception, null);
            }
        }
    }
}
