using Spectre.Console;

namespace Mamba.Cli;

/// <summary>A table of names and values.</summary>
internal static class Summary
{
    public static void Write(IAnsiConsole console, params ReadOnlySpan<(string Name, string Value)> rows)
    {
        Table table = new Table().HideHeaders().AddColumn("").AddColumn("");
        foreach ((string name, string value) in rows)
        {
            table.AddRow(Markup.Escape(name), Markup.Escape(value));
        }

        console.Write(table);
    }
}
