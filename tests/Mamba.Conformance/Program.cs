using System.Diagnostics;
using Mamba.Conformance;
using Mamba.Devices;

// Runs every reference case below a folder and says how far our results are from it.
const string Usage = "usage: Mamba.Conformance FOLDER [--device NAME] [--filter TEXT]   (devices: cpu, cpu:THREADS)";

string? folder = null, filter = null, deviceName = "cpu";
for (int i = 0; i < args.Length; i++)
{
    if (args[i] is "--device" or "--filter" && i + 1 < args.Length)
    {
        (deviceName, filter) = args[i] == "--device" ? (args[i + 1], filter) : (deviceName, args[i + 1]);
        i++;
    }
    else if (folder is null && !args[i].StartsWith('-'))
    {
        folder = args[i];
    }
    else
    {
        return Fail($"unexpected argument \"{args[i]}\"");
    }
}

if (folder is null || !Directory.Exists(folder))
{
    return Fail(folder is null ? "no folder given" : $"there is no folder \"{folder}\"");
}

if (OpenDevice(deviceName) is not { } device)
{
    return Fail($"there is no device \"{deviceName}\"");
}

int passed = 0, failed = 0, skipped = 0;
using (device)
{
    Console.WriteLine($"device: {device}");
    foreach (ConformanceCase item in ConformanceCase.Below(folder))
    {
        if (filter is not null && !item.Name.Contains(filter, StringComparison.OrdinalIgnoreCase))
        {
            continue;
        }

        if (item.SkipReason is { } reason)
        {
            skipped++;
            Console.WriteLine($"skip  {item.Name,-55} {reason}");
            continue;
        }

        long start = Stopwatch.GetTimestamp();
        (bool ok, string found) = item.Run(device);
        (passed, failed) = ok ? (passed + 1, failed) : (passed, failed + 1);
        double ms = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        Console.WriteLine($"{(ok ? "pass" : "FAIL")}  {item.Name,-55} {found}  ({ms:0} ms)");
    }
}

Console.WriteLine($"{passed} passed, {failed} failed, {skipped} skipped");
return failed > 0 || passed == 0 ? 1 : 0;

static int Fail(string message)
{
    Console.Error.WriteLine(message);
    Console.Error.WriteLine(Usage);
    return 2;
}

static Device? OpenDevice(string name)
{
    if (name == "cpu")
    {
        return new CpuDevice();
    }

    return name.StartsWith("cpu:", StringComparison.Ordinal) && int.TryParse(name.AsSpan(4), out int threads) && threads > 0
        ? new CpuDevice(threads)
        : null;
}
