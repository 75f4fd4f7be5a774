using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Mamba.Cpu;

namespace Mamba.Tests.Cpu;

public sealed class WorkersTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData(0)]
    [InlineData(1025)]
    [InlineData(20_000)]
    public void A_number_of_threads_that_no_device_has_is_refused(int threads) =>
        FluentActions.Invoking(() => new CpuDevice(threads)).Should().Throw<ArgumentOutOfRangeException>()
            .WithParameterName(nameof(threads));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(16)]
    public void Every_item_runs_once_in_every_one_of_many_jobs(int threads)
    {
        using Workers workers = new(threads);
        int[] counts = new int[40];

        for (int job = 0; job < 2000; job++)
        {
            int items = job % counts.Length;
            Array.Clear(counts);
            Run(workers, items, item => Interlocked.Increment(ref counts[item]));

            counts.AsSpan(0, items).ContainsAnyExcept(1).Should().BeFalse("job {0} has {1} items", job, items);
            counts.AsSpan(items).ContainsAnyExcept(0).Should().BeFalse("job {0} has {1} items", job, items);
        }
    }

    [Fact]
    public void A_job_finds_workers_that_have_fallen_asleep()
    {
        using Workers workers = new(3);
        using Barrier barrier = new(3);

        for (int job = 0; job < 20; job++)
        {
            Thread.Sleep(2); // longer than a worker spins

            // Three items that wait for each other: each needs a thread of its own.
            Run(workers, 3, _ => barrier.SignalAndWait(Patience).Should().BeTrue());
        }

        barrier.CurrentPhaseNumber.Should().Be(20);
    }

    [Fact]
    public void Pauses_of_any_length_lose_no_job()
    {
        using Workers workers = new(3);
        long total = 0;

        for (int job = 0; job < 3000; job++)
        {
            Thread.SpinWait(job * 7 % 4000); // around the time after which workers fall asleep
            Run(workers, 4, _ => Interlocked.Increment(ref total));
        }

        total.Should().Be(4 * 3000);
    }

    [Fact]
    public void A_job_inside_a_job_runs_on_its_thread()
    {
        using Workers workers = new(4);
        int[] counts = new int[64];

        Run(workers, 8, outer =>
        {
            int thread = Environment.CurrentManagedThreadId;
            Run(workers, 8, inner =>
            {
                Environment.CurrentManagedThreadId.Should().Be(thread);
                Interlocked.Increment(ref counts[(outer * 8) + inner]);
            });
        });

        counts.Should().OnlyContain(count => count == 1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void What_an_item_throws_reaches_the_caller_and_the_next_job_runs(int threads)
    {
        using Workers workers = new(threads);
        int count = 0;

        Action run = () => Run(workers, 50, item =>
        {
            if (item == 17)
            {
                throw new InvalidOperationException("item 17");
            }
        });

        run.Should().Throw<InvalidOperationException>().WithMessage("item 17");
        Run(workers, 50, _ => Interlocked.Increment(ref count));
        count.Should().Be(50);
    }

    [Fact]
    public void A_caller_that_is_interrupted_waits_for_the_items_of_others()
    {
        using Workers workers = new(2);
        using ManualResetEventSlim hasBegun = new(), mayEnd = new();
        bool hasEnded = false, hadEnded = false, isStillInterrupted = false;
        Thread caller = new(() =>
        {
            int thread = Environment.CurrentManagedThreadId;
            Run(workers, 2, _ =>
            {
                if (Environment.CurrentManagedThreadId == thread)
                {
                    hasBegun.Wait(Patience);
                    return;
                }

                hasBegun.Set();
                mayEnd.Wait(Patience);
                hasEnded = true;
            });
            hadEnded = hasEnded;
            isStillInterrupted = Record.Exception(() => Thread.Sleep(1)) is ThreadInterruptedException;
        });

        caller.Start();
        hasBegun.Wait(Patience, TestContext.Current.CancellationToken);
        Thread.Sleep(50); // until the caller waits
        caller.Interrupt();
        Thread.Sleep(50);
        mayEnd.Set();

        caller.Join(Patience).Should().BeTrue();
        hadEnded.Should().BeTrue("the job is in the caller's frame");
        isStillInterrupted.Should().BeTrue();
    }

    [Fact]
    public async Task Two_pools_work_at_once()
    {
        using Workers first = new(3), second = new(3);
        long total = 0;

        Task[] tasks = Array.ConvertAll(new[] { first, second }, workers => Task.Run(() =>
        {
            for (int job = 0; job < 500; job++)
            {
                Run(workers, 7, _ => Interlocked.Increment(ref total));
            }
        }));

        await Task.WhenAll(tasks).WaitAsync(Patience, TestContext.Current.CancellationToken);
        total.Should().Be(2 * 500 * 7);
    }

    [Fact]
    public async Task Callers_on_several_threads_share_a_pool_without_loss()
    {
        using Workers workers = new(3);
        long total = 0;

        Task[] tasks = [.. Enumerable.Range(0, 3).Select(_ => Task.Run(() =>
        {
            for (int job = 0; job < 500; job++)
            {
                Run(workers, 7, _ => Interlocked.Increment(ref total));
            }
        }))];

        await Task.WhenAll(tasks).WaitAsync(Patience, TestContext.Current.CancellationToken);
        total.Should().Be(3 * 500 * 7);
    }

    [Fact]
    public void An_exception_reaches_the_caller_whose_job_has_thrown_it()
    {
        using Workers workers = new(3);
        Threads.RunAll([.. Enumerable.Range(0, 3).Select(caller => (Action)(() =>
        {
            for (int job = 0; job < 300; job++)
            {
                string expected = $"{caller}, {job}";
                Exception? found = Record.Exception(() => Run(workers, 5, item =>
                {
                    if (item == job % 5 && job % 3 != caller)
                    {
                        throw new FormatException(expected);
                    }
                }));
                found?.Message.Should().Be(expected);
                (found is null).Should().Be(job % 3 == caller);
            }
        }))]);
    }

    [Fact]
    public void Disposing_ends_the_threads_and_may_be_repeated()
    {
        Workers workers = new(4);
        HashSet<Thread> threads = [];
        using Barrier barrier = new(4);
        Run(workers, 4, _ =>
        {
            barrier.SignalAndWait(Patience);
            lock (threads)
            {
                threads.Add(Thread.CurrentThread);
            }
        });

        workers.Dispose();
        workers.Dispose();

        threads.Remove(Thread.CurrentThread).Should().BeTrue();
        threads.Should().HaveCount(3).And.OnlyContain(thread => !thread.IsAlive);
    }

    [Fact]
    public void A_pool_that_never_had_a_job_ends() => new Workers(8).Dispose();

    [Fact]
    public void An_idle_pool_uses_no_processor_time()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The times of single threads are read from /proc.");
        using Workers workers = new(5);
        using Barrier barrier = new(5);
        ConcurrentBag<int> threads = [];
        int caller = NativeThreadId();
        Run(workers, 5, _ =>
        {
            barrier.SignalAndWait(Patience);
            threads.Add(NativeThreadId());
        });
        int[] others = [.. threads.Where(thread => thread != caller)];
        Thread.Sleep(50);

        TimeSpan before = TimeOf(others);
        Thread.Sleep(300);
        TimeSpan used = TimeOf(others) - before;

        others.Should().HaveCount(4);
        used.Should().BeLessThanOrEqualTo(TimeSpan.FromMilliseconds(20), "one thread that spins would use 300 ms");
    }

    // The link reads "123/task/456".
    private static int NativeThreadId()
    {
        string link = File.ResolveLinkTarget("/proc/thread-self", returnFinalTarget: false)!.FullName;
        return int.Parse(Path.GetFileName(link), CultureInfo.InvariantCulture);
    }

    private static TimeSpan TimeOf(int[] threads)
    {
        using Process process = Process.GetCurrentProcess();
        return process.Threads.Cast<ProcessThread>()
            .Where(thread => threads.Contains(thread.Id))
            .Aggregate(TimeSpan.Zero, (sum, thread) => sum + thread.TotalProcessorTime);
    }

    private static unsafe void Run(Workers workers, int items, Action<int> body) =>
        workers.Run(&Call, Unsafe.AsPointer(ref body), items);

    private static unsafe void Call(void* body, int item) => Unsafe.AsRef<Action<int>>(body)(item);
}
