using Mamba.Autograd;
using Mamba.Memory;

namespace Mamba.Models.Data;

/// <summary>Measures how well a model predicts held-out tokens.</summary>
/// <example>
/// <code>
/// using TokenCorpus corpus = TokenCorpus.Open("book.txt", new() { HeldOut = 0.05 });
/// double nats = Evaluation.MeanLoss(model, corpus.HeldOut, limit: 100_000);
/// Console.WriteLine($"{nats / Math.Log(2):f3} bits per token");
/// </code>
/// </example>
public static class Evaluation
{
    private const int Piece = 1024;

    /// <summary>
    /// Computes the mean of <c>-ln p(token | all tokens before it)</c> over every token of a stream except the first.
    /// </summary>
    /// <param name="model">The model; it reads the stream piece by piece and carries its state.</param>
    /// <param name="stream">At least two tokens.</param>
    /// <param name="limit">The largest number of tokens that are predicted.</param>
    /// <param name="cancellation">Cancels the evaluation, between two pieces.</param>
    /// <returns>The mean, in nats.</returns>
    /// <exception cref="InvalidDataException">The stream has fewer than two tokens.</exception>
    /// <exception cref="OperationCanceledException">The evaluation was cancelled.</exception>
    /// <remarks>A tape does not record it, so it has no gradients.</remarks>
    public static double MeanLoss(
        MambaLanguageModel model,
        TokenSequence stream,
        long limit = long.MaxValue,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        if (stream.Length < 2)
        {
            throw new InvalidDataException($"Expected at least two tokens to evaluate on; found {stream.Length}.");
        }

        using DeviceScope whole = model.Device.Scope();
        using Tape.Suspension pause = Tape.Suspend(model.Device);
        using ModelState state = model.CreateState();
        long count = Math.Min(stream.Length - 1, limit);
        double sum = 0;
        int[] tokens = new int[Piece + 1];
        for (long start = 0; start < count; start += Piece)
        {
            cancellation.ThrowIfCancellationRequested();
            int length = (int)Math.Min(Piece, count - start);
            stream.Read(start, tokens.AsSpan(0, length + 1));
            using DeviceScope scope = model.Device.Scope();
            DeviceArray loss = model.Loss(tokens.AsSpan(0, length), tokens.AsSpan(1, length), 1, state);
            sum += (double)loss.ToArray()[0] * length;
        }

        return sum / count;
    }
}
