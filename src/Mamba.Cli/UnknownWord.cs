using System.CommandLine;
using System.CommandLine.Parsing;

namespace Mamba.Cli;

/// <summary>Finds unknown commands and options, which the parser would take for file names.</summary>
internal static class UnknownWord
{
    /// <summary>A message about the first unknown word; null if there is none.</summary>
    public static string? Find(ParseResult parsed, string[] arguments)
    {
        const string NoMoreOptions = "--";
        Command command = parsed.CommandResult.Command;
        string[] words = [.. parsed.CommandResult.Children.OfType<ArgumentResult>()
            .SelectMany(argument => argument.Tokens.Select(token => token.Value))
            .Concat(parsed.UnmatchedTokens)];
        if (command.Subcommands.Count > 0 && words is [{ Length: > 0 } first, ..] && first[0] != '-')
        {
            string[] known = [.. command.Subcommands.Select(sub => sub.Name)];
            string all = string.Join(", ", known);
            return $"{first}: unknown command; expected {all}.{Nearest.Hint(first, known)}";
        }

        string? option = arguments.Contains(NoMoreOptions) ? null
            : Array.Find(words, word => word.Length > 1 && word[0] == '-');
        if (option is null)
        {
            return null;
        }

        string name = option.Split('=', ':')[0];
        string hint = Nearest.Hint(name, Help.OptionsOf(command).Select(option => option.Name));
        return $"{name}: unknown option.{(hint.Length > 0 ? hint : $" See {Help.NameOf(command)} --help.")}";
    }
}
