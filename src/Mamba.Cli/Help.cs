using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Text;

namespace Mamba.Cli;

/// <summary>The program's help: commands, arguments and options as they are typed.</summary>
/// <remarks>
/// The library's own help names the program by its file, and shows optional arguments as required.
/// </remarks>
internal sealed class Help : SynchronousCommandLineAction
{
    private const string Program = "mamba", Indent = "  ";
    private const string Default = "[default: ";
    private const char Glue = '\u00A0'; // keeps a default on one line
    private const int LeastText = 30;

    private readonly int _width = Console.IsOutputRedirected ? 120 : Math.Max(Console.WindowWidth - 1, 2 * LeastText);

    /// <summary>Replaces the help of a program and of its commands.</summary>
    public static void Use(RootCommand root) => root.Options.OfType<HelpOption>().Single().Action = new Help();

    /// <summary>How a command is called.</summary>
    public static string NameOf(Command command) => command is RootCommand ? Program : $"{Program} {command.Name}";

    /// <summary>The options of a command, with those that every command has.</summary>
    public static Option[] OptionsOf(Command command) =>
    [
        .. command.Options,
        .. command is RootCommand
            ? []
            : command.Parents.OfType<Command>().SelectMany(parent => parent.Options).Where(option => option.Recursive),
    ];

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        Command command = parseResult.CommandResult.Command;
        Option[] options = OptionsOf(command);
        string arguments = string.Concat(command.Arguments.Select(argument => $" {LabelOf(argument)}"));
        StringBuilder text = new();
        text.AppendLine(command.Description).AppendLine();
        text.AppendLine("Usage:");
        text.AppendLine(
            $"{Indent}{NameOf(command)}{(command.Subcommands.Count > 0 ? " <command>" : "")}{arguments} [options]");
        List(text, "Commands", command.Subcommands.Select(sub => (
            sub.Name + string.Concat(sub.Arguments.Select(argument => $" {LabelOf(argument)}")), sub.Description)));
        List(text, "Arguments", command.Arguments.Select(argument => (LabelOf(argument), argument.Description)));
        List(text, "Options", options.Where(option => !option.Hidden)
            .Select(option => (LabelOf(option), (string?)DescriptionOf(option))));
        parseResult.InvocationConfiguration.Output.Write(text);
        return 0;
    }

    private void List(StringBuilder text, string title, IEnumerable<(string Label, string? Description)> rows)
    {
        (string Label, string? Description)[] all = [.. rows];
        int column = all.Length == 0 ? 0 : all.Max(row => row.Label.Length) + (2 * Indent.Length);
        int width = Math.Max(_width - column, LeastText);
        if (all.Length > 0)
        {
            text.AppendLine().AppendLine($"{title}:");
        }

        foreach ((string label, string? description) in all)
        {
            string start = (Indent + label).PadRight(column);
            foreach (string line in Wrap(description ?? "", width))
            {
                text.AppendLine((start + line.Replace(Glue, ' ')).TrimEnd());
                start = new(' ', column);
            }
        }
    }

    private static IEnumerable<string> Wrap(string text, int width)
    {
        string line = "";
        foreach (string word in text.Replace(Default, Default.Replace(' ', Glue), StringComparison.Ordinal).Split(' '))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                yield return line;
                line = "";
            }

            line += line.Length > 0 ? $" {word}" : word;
        }

        yield return line;
    }

    private static string LabelOf(Argument argument) =>
        argument.Arity.MinimumNumberOfValues == 0 ? $"[<{argument.Name}>]" : $"<{argument.Name}>";

    private static string LabelOf(Option option)
    {
        string names = string.Join(
            ", ", option.Aliases.Append(option.Name).Where(name => name[0] == '-').OrderBy(name => name.Length));
        return option.ValueType == typeof(bool) && option.HelpName is null || option is HelpOption or VersionOption
            ? names
            : option.Arity.MinimumNumberOfValues == 0 ? $"{names} [{option.HelpName}]"
            : $"{names} <{option.HelpName ?? "value"}>";
    }

    private static string DescriptionOf(Option option)
    {
        object? value = option.HasDefaultValue && option.ValueType != typeof(bool) ? option.GetDefaultValue() : null;
        string text = value is null ? "" : FormattableString.Invariant($"{value}");
        string description = option.Description + (option.Required ? " Required." : "");
        return text.Length > 0 ? $"{description} {Default}{text}]" : description;
    }
}
