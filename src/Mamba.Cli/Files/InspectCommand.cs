using System.CommandLine;
using System.Globalization;

namespace Mamba.Cli.Files;

/// <summary><c>mamba inspect</c>: what is in a model's files, without loading it.</summary>
internal static class InspectCommand
{
    private const int LongestValue = 90;

    public static Command Create()
    {
        Argument<string> model = new("model")
        {
            Description = "A GGUF file, a file of weights, or a folder with config.json and weights.",
        };
        Option<bool> tensors = new("--tensors") { Description = "List every tensor." };
        Option<bool> json = JsonText.Option("Print one JSON object with everything.");
        Command command = new("inspect", "Shows the configuration, the tensors and the size of a model.")
        {
            model, tensors, json,
        };
        command.SetAction((parsed, _) => Program.Guard(command.Name, () => Task.FromResult(Run(
            parsed.GetRequiredValue(model), parsed.GetValue(tensors), parsed.GetValue(json)))));
        return command;
    }

    private static int Run(string path, bool listsTensors, bool isJson)
    {
        InspectReport report = InspectReport.Of(path);
        if (isJson)
        {
            Console.WriteLine(JsonText.Of(report));
            return 0;
        }

        Console.WriteLine(Text(
            $"{report.Model}: {report.Format}, {report.Parameters:N0} parameters in {report.Tensors.Count} tensors, ")
            + InspectReport.Size(report.Bytes));
        Section("configuration", report.Config.Select(pair => (pair.Key, Short(pair.Value))));
        Section("memory by type", report.Types.Select(row => (
            row.Type,
            Text($"{row.Elements:N0} parameters in {row.Tensors} tensors, ") + InspectReport.Size(row.Bytes))));
        if (listsTensors)
        {
            Section("tensors", report.Tensors.Select(tensor => (
                tensor.Name,
                Text($"{tensor.Type} [{string.Join(", ", tensor.Shape)}], ") + InspectReport.Size(tensor.Bytes))));
        }

        return 0;
    }

    private static void Section(string title, IEnumerable<(string Name, string Value)> rows)
    {
        (string Name, string Value)[] all = [.. rows];
        if (all.Length == 0)
        {
            return;
        }

        int column = all.Max(row => row.Name.Length) + 2;
        Console.WriteLine();
        Console.WriteLine(title);
        foreach ((string name, string value) in all)
        {
            Console.WriteLine($"  {name.PadRight(column)}{value}");
        }
    }

    private static string Short(string value)
    {
        string line = value.ReplaceLineEndings(" ");
        return line.Length <= LongestValue ? line : $"{line[..LongestValue]}…";
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
