using System.Diagnostics;
using System.Globalization;
using Mamba.Devices;
using Mamba.Gpu;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Benchmarks.Gpu;

/// <summary>Measures the GPU's rows.</summary>
/// <param name="options">Options of the device.</param>
/// <param name="scale">Divisor of lengths and batches, to try the rows on a slow device.</param>
/// <param name="profiles">Whether every launch is measured by itself and the longest are printed.</param>
internal sealed class GpuBench(GpuOptions options, int scale, bool profiles)
{
    private const int Runs = 5;
    private const double LeastSeconds = 0.02;

    /// <summary>Opens the device with a precision.</summary>
    public GpuDevice Open(Precision precision)
    {
        GpuDevice device = GpuDevice.Open(options with { Precision = precision });
        if (profiles)
        {
            device.StartProfile();
        }

        return device;
    }

    /// <summary>A length or a batch, smaller on a slow device.</summary>
    public int Scaled(int size) => Math.Max(1, size / scale);

    /// <summary>The median time of a run. Enough runs are queued to keep the device busy.</summary>
    public static double Seconds(GpuDevice device, Action action)
    {
        Time(device, action, 2); // compiles, captures, fills the pool
        int count = (int)Math.Clamp(LeastSeconds / Time(device, action, 1), 1, 1000);
        double[] seconds = [.. Enumerable.Range(0, Runs).Select(_ => Time(device, action, count))];
        Array.Sort(seconds);
        if (device.Profile is { } profile)
        {
            profile.Clear();
            Time(device, action, 1);
            Print(profile);
        }

        return seconds[Runs / 2];
    }

    /// <summary>Prints the launches of one run.</summary>
    private static void Print(GpuProfile profile)
    {
        const int Most = 25;
        IReadOnlyList<(string Name, int Count, double Milliseconds)> totals = profile.Totals();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"\n{totals.Sum(total => total.Count)} launches, {totals.Sum(total => total.Milliseconds) * 1e3:0} µs:"));
        foreach ((string name, int count, double milliseconds) in totals.Take(Most))
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{milliseconds * 1e3,10:0.0} µs {count,5} x {name}"));
        }
    }

    /// <summary>A random array of a precision.</summary>
    public static DeviceArray Random(GpuDevice device, Shape shape, float low, float high, Precision precision)
    {
        System.Random random = new(1);

        // Repeats a short random sequence: the values do not matter, and to draw all would take the host too long.
        DeviceArray array = device.AllocateOwned(shape, precision);
        int width = (int)Math.Min(shape.Count, 1 << 16);
        float[] values = [.. Enumerable.Range(0, width).Select(_ => low + ((high - low) * random.NextSingle()))];
        using DeviceScope scope = device.Scope();
        DeviceArray piece = device.Array([1, width], values);
        DeviceArray flat = array.Reshape([1, checked((int)shape.Count)]);
        for (int start = 0; start < shape.Count; start += width)
        {
            int count = (int)Math.Min(width, shape.Count - start);
            device.Copy(piece.Slice(0, count), flat.Slice(start, count));
        }

        return array;
    }

    /// <summary>Sets every parameter to a small constant; times do not depend on the values.</summary>
    public static void Initialize(Module module)
    {
        foreach ((_, Parameter parameter) in module.Parameters)
        {
            Device device = parameter.Value.Device;
            using DeviceScope scope = device.Scope();
            DeviceArray values = device.Zeros(parameter.Value.Shape);
            device.Fill(values, 0.01f);
            parameter.Value.CopyFrom(values);
        }
    }

    private static double Time(GpuDevice device, Action action, int count)
    {
        device.Synchronize();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            action();
        }

        device.Synchronize();
        return Stopwatch.GetElapsedTime(start).TotalSeconds / count;
    }
}
