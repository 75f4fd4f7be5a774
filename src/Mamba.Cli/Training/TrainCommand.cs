using System.CommandLine;
using System.ComponentModel;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Mamba.Cli.Training;

/// <summary><c>mamba train</c>: settings of a file and of the command line, a run, its log and plot.</summary>
internal static class TrainCommand
{
    public static Command Create()
    {
        Argument<FileInfo?> file = new("config")
        {
            Description = "A JSON file of settings, named as the options are: learning_rate for --learning-rate.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<bool> resume = new("--resume")
        {
            Description = "Go on with the run in the output folder, with the settings it was begun with.",
        };
        Command command = new("train", "Trains a language model on text, or goes on with one.") { file, resume };
        (PropertyInfo Property, Option<string?> Option)[] settings =
            [.. typeof(TrainSettings).GetProperties().Where(property => property.CanWrite).Select(property => (property, OptionOf(property)))];
        foreach ((_, Option<string?> option) in settings)
        {
            command.Add(option);
        }

        command.SetAction((parsed, cancellation) => Program.Guard(command.Name, () =>
        {
            JsonObject given = [];
            foreach ((PropertyInfo property, Option<string?> option) in settings)
            {
                if (parsed.GetResult(option) is { Implicit: false })
                {
                    given[KeyOf(property)] = Value(property, option.Name, parsed.GetValue(option) ?? "true");
                }
            }

            return Task.FromResult(Run(parsed.GetValue(file)?.FullName, given, parsed.GetValue(resume), cancellation));
        }));
        return command;
    }

    private static int Run(string? file, JsonObject given, bool isResumed, CancellationToken cancellation)
    {
        string output = (string?)given["output"] ?? new TrainSettings().Output;
        string saved = Path.Combine(output, TrainingRun.SettingsName);
        if (isResumed && !File.Exists(saved))
        {
            throw new InvalidDataException($"There is no run to resume in {output}: {saved} is missing.");
        }

        TrainSettings settings = Read(file ?? (isResumed ? saved : null), given);
        using TrainingRun run = new(settings);
        run.Train(isResumed, new TrainingScreen(AnsiConsole.Console), cancellation);
        cancellation.ThrowIfCancellationRequested();
        return 0;
    }

    /// <summary>The settings of a file, with those of the command line in their place.</summary>
    private static TrainSettings Read(string? file, JsonObject given)
    {
        JsonObject all = [];
        if (file is not null)
        {
            JsonDocumentOptions relaxed = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };
            try
            {
                all = JsonNode.Parse(File.ReadAllText(file), null, relaxed) as JsonObject
                    ?? throw new InvalidDataException($"{file}: expected a JSON object.");
                all.Deserialize<TrainSettings>(TrainSettings.Json);
            }
            catch (JsonException exception)
            {
                throw new InvalidDataException($"{file}: {exception.Message}", exception);
            }
        }

        foreach ((string key, JsonNode? value) in given)
        {
            all[key] = value?.DeepClone();
        }

        return all.Deserialize<TrainSettings>(TrainSettings.Json)!;
    }

    private static string KeyOf(PropertyInfo property) => JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name);

    private static Option<string?> OptionOf(PropertyInfo property)
    {
        object? value = property.GetValue(new TrainSettings());
        string text = JsonSerializer.SerializeToNode(value, property.PropertyType, TrainSettings.Json)!.ToJsonString().Trim('"');
        return new($"--{KeyOf(property).Replace('_', '-')}")
        {
            Description = $"{property.GetCustomAttribute<DescriptionAttribute>()!.Description} [default: {text}]",
            HelpName = property.PropertyType == typeof(string) || property.PropertyType.IsEnum ? "value"
                : property.PropertyType == typeof(bool) ? "true|false" : "number",
            Arity = property.PropertyType == typeof(bool) ? ArgumentArity.ZeroOrOne : ArgumentArity.ExactlyOne,
        };
    }

    /// <summary>Reads a setting of the command line as the file would have it.</summary>
    private static JsonNode? Value(PropertyInfo property, string option, string text)
    {
        bool isText = property.PropertyType == typeof(string) || property.PropertyType.IsEnum;
        JsonNode? node = isText ? JsonValue.Create(text) : null;
        try
        {
            node ??= JsonNode.Parse(text);
            node.Deserialize(property.PropertyType, TrainSettings.Json);
            return node;
        }
        catch (JsonException)
        {
            string expected = property.PropertyType.IsEnum
                ? string.Join(", ", Enum.GetNames(property.PropertyType).Select(JsonNamingPolicy.KebabCaseLower.ConvertName))
                : property.PropertyType == typeof(bool) ? "true or false"
                : property.PropertyType == typeof(double) ? "a number" : "a whole number";
            throw new InvalidDataException($"{option}: expected {expected}; found \"{text}\".");
        }
    }
}
