using System.CommandLine;
using System.Globalization;

namespace Mamba.Cli;

/// <summary><c>mamba completion</c>: scripts by which shells complete commands and options.</summary>
internal static class CompletionCommand
{
    // All ask the program itself: [suggest:POSITION] LINE prints what may stand at a position of a line.
    private static readonly Dictionary<string, string> Scripts = new()
    {
        ["bash"] = """
            _mamba() {
                local IFS=$'\n'
                local all=$(mamba "[suggest:$COMP_POINT]" "$COMP_LINE" 2>/dev/null)
                COMPREPLY=($(compgen -W "$all" -- "${COMP_WORDS[COMP_CWORD]}"))
            }
            complete -o default -F _mamba mamba
            """,
        ["zsh"] = """
            _mamba() {
                local -a words
                words=("${(@f)$(mamba "[suggest:${#BUFFER}]" "$BUFFER" 2>/dev/null)}")
                compadd -- $words
                _files
            }
            compdef _mamba mamba
            """,
        ["fish"] = """
            function __mamba
                set -l line (commandline -cp)
                mamba "[suggest:"(string length -- $line)"]" $line 2>/dev/null
            end
            complete -c mamba -a '(__mamba)'
            """,
        ["powershell"] = """
            Register-ArgumentCompleter -Native -CommandName mamba -ScriptBlock {
                param($word, $line, $position)
                mamba "[suggest:$position]" "$line" |
                    Where-Object { $_ -like "$word*" } |
                    ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
            }
            """,
    };

    /// <summary>
    /// The words by which a line's completions are asked for, without the program's name in the line; null if none are.
    /// </summary>
    public static string[]? Words(string[] arguments)
    {
        const string Begin = "[suggest:";
        if (arguments is not [{ } place, { } line]
            || !place.StartsWith(Begin, StringComparison.Ordinal)
            || !int.TryParse(
                place[Begin.Length..].TrimEnd(']'), NumberStyles.None, CultureInfo.InvariantCulture, out int position))
        {
            return null;
        }

        int first = line.IndexOf(' ', StringComparison.Ordinal) is >= 0 and int space ? space + 1 : line.Length;
        return [$"{Begin}{Math.Max(position - first, 0)}]", line[first..]];
    }

    public static Command Create()
    {
        string names = string.Join(", ", Scripts.Keys);
        Argument<string> shell = new("shell") { Description = $"{names}." };
        Command command = new(
            "completion",
            "Prints a script that completes commands and options, for example: eval \"$(mamba completion bash)\"")
        {
            shell,
        };
        command.SetAction((parsed, _) => Program.Guard(command.Name, () =>
        {
            string name = parsed.GetRequiredValue(shell);
            Console.WriteLine(Scripts.TryGetValue(name, out string? script)
                ? script
                : throw new InvalidDataException($"Expected {names}; found \"{name}\"."));
            return Task.FromResult(0);
        }));
        return command;
    }
}
