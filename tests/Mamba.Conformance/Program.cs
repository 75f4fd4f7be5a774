using System.Diagnostics;
using Mamba.Conformance;
using Mamba.Devices;
using Mamba.Gpu;

// Runs every reference case below a folder and says how far our results are from it.
const string Usage =
    "usage: Mamba.Conformance FOLDER [--device NAME] [--filter TEXT]   (devices: " + DeviceName.Forms + ")\n" +
    "       Mamba.Conformance --list   (the devices of this machine but for its processor)";

if (args is ["--list"])
{
    foreach (GpuInfo info in GpuDevice.Find())
    {
        Console.WriteLine(info);
    }

    return 0;
}

string? folder = null;
Dictionary<string, string> options = new() { ["--device"] = "cpu", ["--filter"] = "" };
for (int i = 0; i < args.Length; i++)
{
    if (options.ContainsKey(args[i]) && i + 1 < args.Length)
    {
        options[args[i]] = args[++i];
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

DeviceName name;
Device device;
try
{
    name = DeviceName.Parse(options["--device"], "--device");
    device = name.Open();
}
catch (Exception exception) when (exception is FormatException or NotSupportedException)
{
    return Fail(exception.Message);
}

int skipped = 0;
Dictionary<Verdict, int> counts = new() { [Verdict.Pass] = 0, [Verdict.Wide] = 0, [Verdict.Fail] = 0 };
using (device)
{
    Tolerance tolerance = Tolerance.Of(name.Gpu);
    Console.WriteLine($"device: {device}");
    foreach (ConformanceCase item in ConformanceCase.Below(folder))
    {
        if (!item.Name.Contains(options["--filter"], StringComparison.OrdinalIgnoreCase))
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
        (Verdict verdict, string found) = item.Run(device, tolerance);
        counts[verdict]++;
        string word = verdict == Verdict.Pass ? "pass" : verdict == Verdict.Wide ? "wide" : "FAIL";
        double ms = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        Console.WriteLine($"{word}  {item.Name,-55} {found}  ({ms:0} ms)");
    }
}

int passed = counts[Verdict.Pass] + counts[Verdict.Wide];
if (counts[Verdict.Wide] > 0)
{
    Console.WriteLine($"{counts[Verdict.Wide]} passed by the tolerance of the device, not by the processor's bounds");
}

Console.WriteLine($"{passed} passed, {counts[Verdict.Fail]} failed, {skipped} skipped");
return counts[Verdict.Fail] > 0 || passed == 0 ? 1 : 0;

static int Fail(string message)
{
    Console.Error.WriteLine(message);
    Console.Error.WriteLine(Usage);
    return 2;
}
