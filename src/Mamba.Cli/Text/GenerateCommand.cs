using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Mamba.Devices;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Text;

namespace Mamba.Cli.Text;

/// <summary><c>mamba generate</c>: continues a text.</summary>
internal static class GenerateCommand
{
    private const int MostDraftTokens = 64; // as SpeculativeDecoder has it

    public static Command Create()
    {
        Command command = new("generate", "Generates text from a prompt.");
        TextOptions options = new(command, tokens: 400);
        Option<string?> prompt = new("--prompt")
        {
            Description = "Text to continue. [default: standard input]",
            HelpName = "text",
        };
        Option<string?> draft = new("--draft")
        {
            Description = "A smaller model with the same tokens that drafts the text; the text stays the same.",
            HelpName = "model",
        };
        Option<int> draftTokens = Options.Positive(
            "--draft-tokens", "Tokens that are drafted at a time.", 4, MostDraftTokens);
        Option<int> beams = Options.Positive(
            "--beams", "Beam search with this many beams, without sampling; prints the best text.", null);
        Option<int> logProbabilities = Options.Positive(
            "--log-probabilities", "With --json: the number of likeliest tokens listed with each token.", null);
        Option<bool> json = JsonText.Option("Print one JSON object: text, tokens, finish, speed.");
        Option[] own = [prompt, draft, draftTokens, beams, logProbabilities, json];
        Array.ForEach(own, command.Add);
        command.SetAction((parsed, cancellation) => Program.Guard(command.Name, () => RunAsync(
            options.Read(parsed),
            new(
                parsed.GetValue(prompt), parsed.GetValue(draft), parsed.GetValue(draftTokens), parsed.GetValue(beams),
                parsed.GetValue(logProbabilities), parsed.GetValue(json)),
            cancellation)));
        return command;
    }

    private static async Task<int> RunAsync(TextSettings settings, Choices choices, CancellationToken cancellation)
    {
        if (choices.Beams > 0 && (choices.Draft ?? settings.Schema ?? (settings.IsJson ? "" : null)) is not null)
        {
            throw new InvalidDataException(
                "--beams: expected neither --draft nor --format json nor --schema beside it.");
        }

        string prompt = choices.Prompt ?? await Terminal.Input().ReadToEndAsync(cancellation);
        if (prompt.Length == 0)
        {
            throw new InvalidDataException("--prompt: expected at least one character; found none.");
        }

        string folder = ModelFolder.Find(settings.Model);
        using Device device = settings.Device.Open();
        using MambaLanguageModel model = MambaLanguageModel.Load(folder, device, precision: settings.Weights);
        using MambaLanguageModel? draft = choices.Draft is { } small
            ? MambaLanguageModel.Load(ModelFolder.Find(small), device, precision: settings.Weights)
            : null;
        TextTokenizer tokenizer = ModelTokenizer.Load(settings.Tokenizer ?? folder, model.Config.VocabularySize);
        SpeculativeDecoder? decoder = draft is null ? null : new(model, draft, choices.DraftTokens);
        await using StreamWriter output = Terminal.Output();
        TextWriter shown = choices.IsJson ? TextWriter.Null : output;
        int[] tokens = tokenizer.Encode(prompt);

        // One text for all: some tokenizers cut the first space of a text.
        GeneratedText text = new(tokenizer, settings.Stops);
        await shown.WriteAsync(text.Begin(tokens).AsMemory(), cancellation);
        GenerationOptions options = settings.Generation with
        {
            StopRule = StopStrings.Rule(tokenizer, settings.Stops),
            Constraint = settings.Constraint(tokenizer),
            LogProbabilities = choices.LogProbabilities > 0 ? choices.LogProbabilities : null,
        };
        long start = Stopwatch.GetTimestamp(), firstAt = start;
        List<GeneratedToken> generated = [];
        StringBuilder whole = new();
        IAsyncEnumerable<GeneratedToken> source = choices.Beams > 0
            ? Best(model, tokens, options, choices.Beams, cancellation)
            : decoder?.GenerateTokensAsync(tokens, options, cancellation)
                ?? model.GenerateTokensAsync(tokens, options, null, cancellation);
        await foreach (GeneratedToken token in source.WithCancellation(cancellation))
        {
            firstAt = generated.Count == 0 ? Stopwatch.GetTimestamp() : firstAt;
            generated.Add(token);
            string piece = text.Append(token).Text;
            whole.Append(piece);
            await shown.WriteAsync(piece.AsMemory(), cancellation);
        }

        string last = text.Finish().Text;
        whole.Append(last);
        await shown.WriteAsync((last + "\n").AsMemory(), cancellation);
        double seconds = Stopwatch.GetElapsedTime(start, firstAt).TotalSeconds;
        if (choices.IsJson)
        {
            bool isCut = generated.Count == options.MaxTokens && !text.IsStopped;
            await output.WriteLineAsync(JsonText.Of(
                new GenerateReport
                {
                    Prompt = prompt,
                    Text = whole.ToString(),
                    Finish = isCut ? "length" : "stop",
                    PromptTokens = tokens.Length,
                    Tokens = [.. generated.Select(token => token.Id)],
                    LogProbabilities = options.LogProbabilities is null ? null : generated,
                    PromptSeconds = seconds,
                    TokensPerSecond = generated.Count / Math.Max(Stopwatch.GetElapsedTime(firstAt).TotalSeconds, 1e-6),
                    Drafted = decoder?.Drafted,
                    Accepted = decoder?.Accepted,
                }));
            return 0;
        }

        string prompted = seconds.ToString("0.00", CultureInfo.InvariantCulture);
        string drafted = decoder is null ? "" : $"; {decoder.Accepted} of {decoder.Drafted} drafted tokens were right";
        await Console.Error.WriteLineAsync(
            $"prompt: {tokens.Length} tokens, {prompted} s; then {Terminal.Speed(generated.Count, firstAt)}{drafted}");
        return 0;
    }

    /// <summary>The tokens of the best text that beam search finds.</summary>
    private static async IAsyncEnumerable<GeneratedToken> Best(
        MambaLanguageModel model,
        int[] prompt,
        GenerationOptions options,
        int beams,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        BeamSearchOptions search = new()
        {
            Beams = beams, MaxTokens = options.MaxTokens, StopTokens = options.StopTokens,
        };
        foreach (int token in model.BeamSearch(prompt, search, cancellation)[0].Tokens)
        {
            yield return new(token, null, []);
        }

        await Task.CompletedTask;
    }

    /// <summary>What the options of this command alone say.</summary>
    private sealed record Choices(
        string? Prompt, string? Draft, int DraftTokens, int Beams, int LogProbabilities, bool IsJson);
}
