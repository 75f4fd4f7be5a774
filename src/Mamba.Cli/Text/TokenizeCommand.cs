using System.CommandLine;
using System.Globalization;
using Mamba.Text;

namespace Mamba.Cli.Text;

/// <summary><c>mamba tokenize</c>: the tokens of a text.</summary>
internal static class TokenizeCommand
{
    public static Command Create()
    {
        Argument<string> model = new("model")
        {
            Description =
                "A folder with tokenizer.json or tokenizer.model, one of these files, a GGUF file, or a name on the " +
                "hub.",
        };
        Argument<string?> text = new("text")
        {
            Description = "The text. [default: standard input]",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<bool> ids = new("--ids") { Description = "Print only the ids, on one line." };
        Option<bool> plain = new("--no-special")
        {
            Description = "Add no special tokens, and read those that are written in the text as text.",
        };
        Option<bool> json = JsonText.Option("Print a list of JSON objects: id and text of each token.");
        Command command = new("tokenize", "Shows the tokens of a text.") { model, text, ids, plain, json };
        command.SetAction((parsed, cancellation) => Program.Guard(command.Name, () => RunAsync(
            parsed.GetRequiredValue(model), parsed.GetValue(text), parsed.GetValue(ids), !parsed.GetValue(plain),
            parsed.GetValue(json), cancellation)));
        return command;
    }

    private static async Task<int> RunAsync(
        string model, string? text, bool isIds, bool hasSpecial, bool isJson, CancellationToken cancellation)
    {
        TextTokenizer tokenizer = ModelTokenizer.Load(ModelFolder.Local(model));
        text ??= await Terminal.Input().ReadToEndAsync(cancellation);
        int[] tokens = tokenizer.Encode(text, hasSpecial, hasSpecial);
        await using StreamWriter output = Terminal.Output();
        output.AutoFlush = false;
        if (isJson)
        {
            await output.WriteLineAsync(
                JsonText.Of(tokens.Select(token => new { Id = token, Text = tokenizer.TokenOf(token) })));
            return 0;
        }

        if (isIds)
        {
            await output.WriteLineAsync(string.Join(' ', tokens));
            return 0;
        }

        foreach (int token in tokens)
        {
            string id = token.ToString(CultureInfo.InvariantCulture);
            await output.WriteLineAsync($"{id,7}  {tokenizer.TokenOf(token)?.ReplaceLineEndings("\\n")}");
        }

        await output.WriteLineAsync($"{tokens.Length} tokens");
        return 0;
    }
}
