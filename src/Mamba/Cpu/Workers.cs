using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Mamba.Cpu;

/// <summary>
/// Threads that live as long as their device and share out the items of one job at a time with the calling thread.
/// </summary>
/// <remarks>
/// Ours because a dispatch must cost microseconds and allocate nothing: a decoded token is some hundred of them. An
/// idle worker spins for a moment, since the next job is usually near, and then sleeps. Which thread runs which item is
/// not fixed; jobs are split so that it does not matter.
/// <para>
/// A job is published by its fields, then <c>Open</c>, then the round. A worker counts itself in <c>Inside</c> before
/// it looks at <c>Open</c>, and the caller closes before it looks at <c>Inside</c>: so either the worker sees that it
/// came too late, or the caller waits for it. Both sides cross a full fence between the two.
/// </para>
/// </remarks>
internal sealed unsafe class Workers : IDisposable
{
    /// <summary>How long an idle worker spins: longer than what lies between the operations of one token.</summary>
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
    /// <exception cref="Exception">What an item threw; on several threads the others have run nevertheless.</exception>
    public void Run(delegate*<void*, int, void> body, void* job, int items)
    {
        // One item, or a call from inside a job: no one to share with.
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
    /// No worker may still hold the job when the caller's frame ends, not even if <see cref="Thread.Interrupt"/> ends
    /// the caller's waiting: that is put off.
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
                wait.SpinOnce(sleep1Threshold: -1); // yields to a worker that another process keeps from its processor
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
    /// What threads write while others read it, each in cache lines of its own, so that taking an item does not disturb
    /// those who wait for a round.
    /// </summary>
    [StructLayout(LayoutKind.Explicit, Size = 640)]
    private struct Counters
    {
        /// <summary>Counts the jobs.</summary>
        [FieldOffset(128)]
        public int Round;

        /// <summary>The next item that nobody has taken.</summary>
        [FieldOffset(256)]
        public int Next;

        /// <summary>1 while a job has a caller that waits for it.</summary>
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

        /// <summary>Sleeps until it is woken, unless the round has changed already.</summary>
        public void SleepWhile(ref int round, int seen)
        {
            // Whoever turns 1 into 0 owns the wake-up: either this thread, which then goes on, or a caller, whose
            // release is awaited. The exchange is a fence: a caller that does not see the 1 has changed the round.
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

        /// <summary>Waits for the thread, which has been told to stop.</summary>
        public void Dispose()
        {
            _thread.Join();
            _wake.Dispose();
        }
    }
}
