using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Mamba.Cpu;

/// <summary>
/// The thread pool of a device. Its threads and the calling thread run the items of one job at a time.
/// </summary>
/// <remarks>
/// Not the framework's pool, because a dispatch must cost microseconds and allocate nothing: a decoded token takes some
/// hundred dispatches. An idle worker spins briefly, because the next job usually follows soon, and then sleeps. Any
/// thread may run any item; jobs are split so that results do not depend on it.
/// <para>
/// The caller publishes a job by its fields, then <c>Open</c>, then <c>Round</c>. A worker increments <c>Inside</c>
/// before it reads <c>Open</c>; the caller clears <c>Open</c> before it reads <c>Inside</c>. Each has a full fence
/// between the two. So either the worker reads that the job is closed, or the caller waits for the worker.
/// </para>
/// </remarks>
internal sealed unsafe class Workers : IDisposable
{
    /// <summary>Spin time of an idle worker, 50 µs: longer than the gap between operations of one token.</summary>
    private static readonly long SpinTicks = Stopwatch.Frequency * 50 / 1_000_000;

    private readonly Worker[] _workers;
    private delegate*<void*, int, void> _body;
    private void* _job;
    private int _items;
    private int _busy;
    private Exception? _failure;
    private volatile bool _stopping;
    private Counters _counters;

    public Workers(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, CpuDevice.MaxThreads);
        _workers = new Worker[threads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            _workers[i] = new Worker(this, $"Mamba worker {i + 1}");
        }
    }

    public int Count => _workers.Length + 1;

    /// <summary>Calls <paramref name="body"/> once for every item from 0 on, and returns when all are done.</summary>
    /// <exception cref="Exception">An item threw. On several threads, the other items have run anyway.</exception>
    public void Run(delegate*<void*, int, void> body, void* job, int items)
    {
        // Run inline: one item, no workers, or another job is running (this call is nested, or from another thread).
        if (items <= 1 || _workers.Length == 0 || Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
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
        _counters.Next = 0;
        Interlocked.Exchange(ref _counters.Open, 1);
        Interlocked.Increment(ref _counters.Round);
        Wake(Math.Min(items - 1, _workers.Length));
        TakeItems();
        AwaitWorkers();

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
        if (_stopping)
        {
            return;
        }

        _stopping = true;
        Interlocked.Increment(ref _counters.Round);
        Wake(_workers.Length);
        foreach (Worker worker in _workers)
        {
            worker.Dispose();
        }
    }

    private void Wake(int count)
    {
        for (int i = 0; i < count; i++)
        {
            _workers[i].Wake();
        }
    }

    private void TakeItems()
    {
        int item;
        while ((item = Interlocked.Increment(ref _counters.Next) - 1) < _items)
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

    /// <summary>
    /// Waits until no worker holds the job, which lives in the caller's stack frame. <see cref="Thread.Interrupt"/> is
    /// deferred until then.
    /// </summary>
    private void AwaitWorkers()
    {
        Interlocked.Exchange(ref _counters.Open, 0);
        SpinWait wait = default;
        bool isInterrupted = false;
        while (Volatile.Read(ref _counters.Inside) > 0)
        {
            try
            {
                wait.SpinOnce(sleep1Threshold: -1); // yields: another process may have preempted a worker
            }
            catch (ThreadInterruptedException)
            {
                isInterrupted = true;
            }
        }

        if (isInterrupted)
        {
            Thread.CurrentThread.Interrupt();
        }
    }

    private void Work(Worker worker)
    {
        int seen = 0;
        while (!_stopping)
        {
            seen = AwaitRoundAfter(seen, worker);
            Interlocked.Increment(ref _counters.Inside);
            if (Volatile.Read(ref _counters.Open) == 1)
            {
                TakeItems();
            }

            Interlocked.Decrement(ref _counters.Inside);
        }
    }

    private int AwaitRoundAfter(int seen, Worker worker)
    {
        long start = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref _counters.Round) == seen)
        {
            if (Stopwatch.GetTimestamp() - start < SpinTicks)
            {
                Thread.SpinWait(10);
            }
            else
            {
                worker.SleepWhile(ref _counters.Round, seen);
            }
        }

        return Volatile.Read(ref _counters.Round);
    }

    /// <summary>
    /// Shared counters, each in its own cache lines, so that taking an item does not invalidate the line that idle
    /// workers poll.
    /// </summary>
    [StructLayout(LayoutKind.Explicit, Size = 640)]
    private struct Counters
    {
        /// <summary>Number of jobs so far; idle workers poll it.</summary>
        [FieldOffset(128)]
        public int Round;

        /// <summary>The next free item.</summary>
        [FieldOffset(256)]
        public int Next;

        /// <summary>1 while workers may join the job, else 0.</summary>
        [FieldOffset(384)]
        public int Open;

        /// <summary>Number of workers that may hold the job.</summary>
        [FieldOffset(512)]
        public int Inside;
    }

    private sealed class Worker : IDisposable
    {
        private readonly SemaphoreSlim _wake = new(0);
        private readonly Thread _thread;
        private int _asleep;

        public Worker(Workers workers, string name)
        {
            _thread = new Thread(() => workers.Work(this)) { IsBackground = true, Name = name };
            _thread.Start();
        }

        /// <summary>Sleeps until woken, unless the round has changed already.</summary>
        public void SleepWhile(ref int round, int seen)
        {
            // The thread that changes 1 to 0 owns the wake-up: either this thread, which then returns, or a caller,
            // which then releases the semaphore. The exchange is a full fence: if a caller does not read the 1, this
            // thread reads the caller's new round.
            Interlocked.Exchange(ref _asleep, 1);
            if (Volatile.Read(ref round) == seen || Interlocked.Exchange(ref _asleep, 0) == 0)
            {
                _wake.Wait();
            }
        }

        public void Wake()
        {
            if (Volatile.Read(ref _asleep) == 1 && Interlocked.Exchange(ref _asleep, 0) == 1)
            {
                _wake.Release();
            }
        }

        /// <summary>Waits for the thread to end, after <c>_stopping</c> is set.</summary>
        public void Dispose()
        {
            _thread.Join();
            _wake.Dispose();
        }
    }
}
