using System.Diagnostics;
using Mamba.Tests.Checkpoints;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Fuzz;

/// <summary>
/// Gives a reader changed files. Each must be read or refused as documented, in bounded time and memory, and leave no
/// memory on the device.
/// </summary>
/// <remarks>
/// The device is the reference device, whose arrays are on the managed heap and are made at once, so that its memory
/// counts with all other memory. The environment variable MAMBA_FUZZ_ROUNDS sets the number of random files and the
/// most boundary values of keys; MAMBA_FUZZ_SEED sets the seed. MAMBA_FUZZ_CASE, which the message of a failure names,
/// runs that case alone and keeps its files.
/// </remarks>
internal sealed class FuzzRun : IDisposable
{
    /// <summary>Bytes that a file may take beyond its own.</summary>
    public const long MaxMemory = 64 << 20;

    private readonly FuzzReader _reader;
    private readonly TemporaryFolder _folder = new(inMemory: true);
    private readonly FuzzReport _report;

    public FuzzRun(FuzzReader reader)
    {
        _reader = reader;
        _report = new(reader.Name);
    }

    /// <summary>Time that a file may take.</summary>
    public TimeSpan MaxTime { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Time after which a file is said to take for ever.</summary>
    public TimeSpan Hang { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Number of random files for each reader.</summary>
    public int Rounds { get; init; } = NumberOf("MAMBA_FUZZ_ROUNDS", absent: 100);

    private static int Seed => NumberOf("MAMBA_FUZZ_SEED", absent: 1);

    /// <summary>The one case to run; null: all.</summary>
    private static string? Only => Environment.GetEnvironmentVariable("MAMBA_FUZZ_CASE");

    /// <summary>Gives the reader random changes.</summary>
    public FuzzReport RunRandom() =>
        RunAll(Enumerable.Range(0, Rounds).Select(index => FuzzCase.Random(_reader, Seed, index)), "random");

    /// <summary>Gives the reader boundary values in its keys: all, or some of them, spread evenly.</summary>
    public FuzzReport RunKeys()
    {
        Func<FuzzCase>[] all = [.. FuzzCase.Keys(_reader)];
        int stride = Math.Max(1, all.Length / Rounds);
        return RunAll(all.Where((_, index) => index % stride == 0).Select(make => make()), "keys");
    }

    /// <summary>Runs one case; throws if it is anything but read or refused as documented.</summary>
    public void Run(FuzzCase current)
    {
        FuzzSeed files = current.IsRepaired ? _reader.Repair!(current.Files) : current.Files;

        // What is slow once may have been compiled, or have waited for others; what is slow three times is slow.
        (TimeSpan time, long memory) = (TimeSpan.MaxValue, long.MaxValue);
        for (int attempt = 0; attempt < 3 && (time > MaxTime || memory > MaxMemory); attempt++)
        {
            (TimeSpan Time, long Memory) once = Measure(current, files);
            (time, memory) = (Min(time, once.Time), Math.Min(memory, once.Memory));
        }

        memory = Math.Max(0, memory - files.Length);
        _report.WorstTime = TimeSpan.FromTicks(Math.Max(_report.WorstTime.Ticks, time.Ticks));
        _report.WorstMemory = Math.Max(_report.WorstMemory, memory);
        if (time > MaxTime || memory > MaxMemory)
        {
            throw Fault(current, $"took {time.TotalSeconds:f2} s and {memory} bytes beyond the files' own", null);
        }
    }

    public void Dispose()
    {
        if (Only is null)
        {
            _folder.Dispose();
        }
    }

    private FuzzReport RunAll(IEnumerable<FuzzCase> cases, string kind)
    {
        if (Only is { } id)
        {
            bool isOurs = id.StartsWith($"{_reader.Name}/{kind}/", StringComparison.Ordinal);
            cases = isOurs ? [FuzzCase.Of(_reader, id)] : [];
        }

        foreach (FuzzCase current in cases)
        {
            Run(current);
        }

        return _report;
    }

    /// <summary>Runs a case on a thread of its own, which is given up when it does not end.</summary>
    private (TimeSpan Time, long Memory) Measure(FuzzCase current, FuzzSeed files)
    {
        (TimeSpan Time, long Memory) measured = default;
        Exception? fault = null;
        Thread thread = new(() =>
        {
            try
            {
                measured = Read(files);
            }
            catch (Exception e)
            {
                fault = e;
            }
        })
        {
            IsBackground = true,
        };
        thread.Start();
        if (!thread.Join(Hang))
        {
            throw Fault(current, $"has not ended after {Hang.TotalSeconds} s", null);
        }

        return fault is null
            ? measured
            : throw Fault(current, $"ended with {fault.GetType().Name}: {fault.Message}", fault);
    }

    private (TimeSpan Time, long Memory) Read(FuzzSeed files)
    {
        using ReferenceDevice device = new();
        files.WriteTo(_folder.Path);
        Stopwatch watch = Stopwatch.StartNew();
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool isAccepted = false;
        try
        {
            _reader.Open(_folder.Path, device).Dispose();
            isAccepted = true;
        }
        catch (Exception e) when (_reader.Refusals.Contains(e.GetType()))
        {
            _report.Refused++;
        }

        (TimeSpan Time, long Memory) measured = (watch.Elapsed, GC.GetAllocatedBytesForCurrentThread() - before);
        device.TrimPool(); // what is kept for the next scope is not lost
        if (device.AllocatedBytes != 0)
        {
            throw new InvalidOperationException($"{device.AllocatedBytes} bytes are left on the device.");
        }

        if (isAccepted)
        {
            files.WriteTo(_folder.Path); // a reader may write into its folder
            using IDisposable opened = _reader.Open(_folder.Path, device);
            _reader.Use(opened, device);
            _report.Accepted++;
        }

        return measured;
    }

    private InvalidOperationException Fault(FuzzCase current, string what, Exception? inner) => new(
        $"\"MAMBA_FUZZ_CASE={current.Id}\" {what}. Changed: {current.Change}. Files: {_folder.Path}.", inner);

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private static int NumberOf(string variable, int absent) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), out int number) ? number : absent;
}
