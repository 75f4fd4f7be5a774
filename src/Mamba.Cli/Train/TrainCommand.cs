using System.CommandLine;
using Spectre.Console;

namespace Mamba.Cli.Train;

/// <summary><c>mamba train</c>: settings of a file and of the command line, a run, its log and plot.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        Argument<string?> file = new("config")
        {
            Description = "A JSON file of settings, named as the options are: learning_rate for --learning-rate.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<bool> resume = new("--resume")
        {
            Description = "Continue the run in the output folder, with its settings.",
        };
        Command command = new("train", "Trains a language model on text, or fine-tunes one.") { file, resume };
        (SettingKind Kind, Option<string?> Option)[] settings =
            [.. SettingKind.All.Select(kind => (kind, OptionOf(kind)))];
        foreach ((_, Option<string?> option) in settings)
        {
            command.Add(option);
        }

        command.SetAction((parsed, cancellation) => Program.Guard(command.Name, () =>
        {
            (SettingKind, string)[] given = [.. settings
                .Where(setting => parsed.GetResult(setting.Option) is { Implicit: false })
                .Select(setting => (setting.Kind, parsed.GetValue(setting.Option) ?? "true"))];
            return Task.FromResult(Run(parsed.GetValue(file), given, parsed.GetValue(resume), cancellation));
        }));
        return command;
    }

    private static int Run(string? file, (SettingKind, string)[] given, bool isResumed, CancellationToken cancellation)
    {
        SettingSources sources = Sources(null, file, given);
        if (isResumed)
        {
            string output = sources.TextOf("output") ?? new TrainSettings().Output;
            string saved = Path.Combine(output, ModelFolder.SettingsName);
            if (!File.Exists(saved))
            {
                throw new InvalidDataException($"There is no run to resume in {output}: {saved} is missing.");
            }

            SettingKind kind = SettingKind.All.Single(kind => kind.Key == "output");
            sources = Sources(saved, file, [.. given, (kind, output)]); // a run may have been moved since it was begun
        }

        using TrainingRun run = new(sources, isResumed, new(AnsiConsole.Console), cancellation);
        run.Train();
        return 0;
    }

    private static SettingSources Sources(string? saved, string? file, (SettingKind, string)[] given)
    {
        SettingSources sources = new();
        foreach (string path in ((string?[])[saved, file]).OfType<string>())
        {
            sources.AddFile(path);
        }

        sources.AddOptions(given);
        return sources;
    }

    private static Option<string?> OptionOf(SettingKind kind)
    {
        string value = kind.TextOf(new()).ReplaceLineEndings("\\n");
        return new(kind.Option)
        {
            Description = kind.Description + (value.Length > 0 ? $" [default: {value}]" : ""),
            HelpName = kind.IsFlag ? "true|false" : kind.IsText ? "value" : "number",
            Arity = kind.IsFlag ? ArgumentArity.ZeroOrOne : ArgumentArity.ExactlyOne,
        };
    }
}
