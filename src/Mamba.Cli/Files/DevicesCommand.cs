using System.CommandLine;
using Mamba.Cpu;
using Mamba.Gpu;

namespace Mamba.Cli.Files;

/// <summary><c>mamba devices</c>: what this machine computes on.</summary>
internal static class DevicesCommand
{
    public static Command Create()
    {
        Option<bool> json = JsonText.Option("Print a list of JSON objects: name, description, bytes of memory.");
        Command command = new("devices", "Lists what --device can name on this machine.") { json };
        command.SetAction((parsed, _) => Program.Guard(
            command.Name, () => Task.FromResult(Run(parsed.GetValue(json)))));
        return command;
    }

    private static int Run(bool isJson)
    {
        using CpuDevice cpu = new();
        DeviceRow[] rows =
        [
            new("cpu", cpu.Description, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes),
            .. GpuDevice.Find().Select(gpu => new DeviceRow(
                $"{gpu.Kind.ToString().ToLowerInvariant()}:{gpu.Index}", $"{gpu.Name}, {gpu.Capability}",
                gpu.MemoryBytes)),
        ];
        if (isJson)
        {
            Console.WriteLine(JsonText.Of(rows));
            return 0;
        }

        int column = rows.Max(row => row.Name.Length) + 2;
        foreach (DeviceRow row in rows)
        {
            Console.WriteLine(FormattableString.Invariant(
                $"{row.Name.PadRight(column)}{row.Description}, {row.MemoryBytes / 1e9:0.0} GB"));
        }

        return 0;
    }

    /// <summary>A device.</summary>
    private sealed record DeviceRow(string Name, string Description, long MemoryBytes);
}
