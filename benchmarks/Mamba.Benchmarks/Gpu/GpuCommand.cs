using System.Globalization;
using Mamba.Benchmarks.Quick;
using Mamba.Gpu;
using Mamba.Memory;

namespace Mamba.Benchmarks.Gpu;

/// <summary>Measures the GPU's rows and prints them as a Markdown table.</summary>
internal static class GpuCommand
{
    private const string Usage =
        "Usage: gpu [--device NAME] [--filter TEXT] [--divide N] [--profile] [--no-cuda-c]\n" +
        "  --device NAME  cuda[:INDEX], opencl[:INDEX] or emulation; each row chooses its precision\n" +
        "  --divide N     divides lengths, batches and layers by N, to try the rows on a slow device\n" +
        "  --profile      measures every launch, prints the longest; the rows are slower then (CUDA)\n" +
        "  --no-cuda-c    without the kernels in CUDA C";

    public static int Run(ReadOnlySpan<string> options)
    {
        GpuOptions device = new();
        string filter = "";
        int scale = 1;
        bool profiles = false;
        try
        {
            while (!options.IsEmpty)
            {
                if (options is ["--profile" or "--no-cuda-c", ..])
                {
                    (profiles, device) = options[0] == "--profile"
                        ? (true, device)
                        : (profiles, device with { CudaKernels = false });
                    options = options[1..];
                    continue;
                }

                if (options is ["--device", string name, ..]
                    && DeviceName.Parse(name, "--device").Gpu is { Precision: Precision.Float32 } chosen)
                {
                    device = chosen with { CudaKernels = device.CudaKernels };
                }
                else if (options is ["--filter", string text, ..])
                {
                    filter = text;
                }
                else if (options is not ["--divide", string number, ..]
                    || !int.TryParse(number, out scale) || scale < 1)
                {
                    throw new FormatException($"Not understood: {string.Join(' ', options)}");
                }

                options = options[2..];
            }

            Print(new(device, scale, profiles), filter, device);
            return 0;
        }
        catch (FormatException exception)
        {
            Console.Error.WriteLine($"{exception.Message}\n{Usage}");
            return 2;
        }
        catch (NotSupportedException exception)
        {
            Console.Error.WriteLine(exception.Message);
            return 1;
        }
    }

    private static void Print(GpuBench bench, string filter, GpuOptions options)
    {
        using (GpuDevice device = GpuDevice.Open(options with { Precision = Precision.BFloat16 }))
        {
            Console.WriteLine($"{device}\n");
        }

        Console.WriteLine("| work | value | unit | goal on an H200 | GB/s | of the copy | TFLOP/s | of the product |");
        Console.WriteLine("|---|--:|---|--:|--:|--:|--:|--:|");
        double copy = double.NaN, product = double.NaN;
        foreach (GpuRow row in GpuOperationRows.All.Concat(GpuModelRows.All))
        {
            bool isLimit = row.Name is GpuOperationRows.Copy or GpuOperationRows.Product;
            if (!isLimit && !row.Name.Contains(filter, StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            GpuResult result = row.Measure(bench);
            copy = row.Name == GpuOperationRows.Copy ? result.Bytes / result.Seconds : copy;
            product = row.Name == GpuOperationRows.Product ? result.Operations / result.Seconds : product;
            string goal = row.Goal is { } value
                ? $"{(row.LowerIsBetter ? "≤" : "≥")} {QuickCommand.Format(value)}"
                : "";
            Console.WriteLine(
                $"| {row.Name} | {QuickCommand.Format(result.Value)} | {row.Unit} | {goal} " +
                $"| {Rate(result.Bytes / result.Seconds, 1e9)} | {Part(result.Bytes / result.Seconds, copy)} " +
                $"| {Rate(result.Operations / result.Seconds, 1e12)} " +
                $"| {Part(result.Operations / result.Seconds, product)} |");
        }
    }

    private static string Rate(double perSecond, double unit) =>
        perSecond == 0 ? "" : QuickCommand.Format(perSecond / unit);

    private static string Part(double rate, double limit) =>
        rate == 0 || double.IsNaN(limit)
            ? ""
            : string.Create(CultureInfo.InvariantCulture, $"{100 * rate / limit:0} %");
}
