using System.Runtime.CompilerServices;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Models.Serving;
using Mamba.Text;

namespace Mamba.Server.Endpoints;

/// <summary>A piece of text; the last one says why the text ended.</summary>
/// <param name="Text">The text, which may be empty.</param>
/// <param name="Tokens">The tokens that it ends with; null: none.</param>
/// <param name="Finish">Why it ended; null: it goes on.</param>
/// <param name="Prompt">Number of tokens that were continued, with the last piece.</param>
/// <param name="Generated">Number of generated tokens, with the last piece.</param>
/// <param name="Cached">Tokens of the prompt whose state was known, with the last piece.</param>
internal readonly record struct CompletionPiece(
    string Text, IReadOnlyList<GeneratedToken>? Tokens = null, string? Finish = null, int Prompt = 0,
    int Generated = 0, int Cached = 0);

/// <summary>Continues texts with an engine.</summary>
internal static class Continuation
{
    /// <summary>Continues one text.</summary>
    /// <param name="served">The model.</param>
    /// <param name="prompt">The text's tokens.</param>
    /// <param name="options">Sampling and limits.</param>
    /// <param name="stops">Texts that end it.</param>
    /// <param name="isEcho">Whether the text is part of the answer.</param>
    /// <param name="cancellation">Ends the text, and frees its slot.</param>
    /// <param name="conversation">The conversation that goes on; null: none.</param>
    /// <returns>The pieces.</returns>
    public static async IAsyncEnumerable<CompletionPiece> ContinueAsync(
        ServedModel served,
        int[] prompt,
        GenerationOptions options,
        string[] stops,
        bool isEcho,
        [EnumeratorCancellation] CancellationToken cancellation,
        Conversation? conversation = null)
    {
        using CancellationTokenSource ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        GenerationOptions own = options with
        {
            StopTokens = options.StopTokens ?? StopTokensOf(served),
            StopRule = StopStrings.Rule(served.Tokenizer, stops),
        };
        GenerationRequest request = conversation is null
            ? served.Engine.Submit(prompt, own, ending.Token)
            : served.Engine.Continue(conversation, prompt, own, ending.Token);
        try
        {
            GeneratedText text = new(served.Tokenizer, stops);
            string read = text.Begin(prompt); // some decoders cut a text's first space
            if (isEcho)
            {
                yield return new(read);
            }

            int count = 0;
            await foreach (GeneratedToken token in request.ReadTokensAsync(cancellation).ConfigureAwait(false))
            {
                count++;
                TextPiece piece = text.Append(token);
                if (piece.Text.Length > 0 || piece.Tokens.Count > 0)
                {
                    yield return new(piece.Text, piece.Tokens);
                }
            }

            TextPiece last = text.Finish();
            bool isStop = text.IsStopped || request.Finish == FinishReason.Stop;
            yield return new(
                last.Text, last.Tokens, isStop ? "stop" : "length", prompt.Length, count, request.CachedTokens);
        }
        finally
        {
            await ending.CancelAsync().ConfigureAwait(false);
            if (conversation is not null)
            {
                // Until then the engine uses it.
                await request.Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private static int[] StopTokensOf(ServedModel served) =>
    [
        .. served.Engine.Model.Config.EndOfText
            .Concat(served.Tokenizer.EndToken is { } end ? [end] : []).Distinct(),
    ];
}
