using Mamba.Models;

namespace Mamba.Tasks.Induction;

/// <summary>Asks a model for the value at the end of sequences of any length, which it reads in pieces.</summary>
internal static class InductionTest
{
    private const int PieceLength = 1024, Rows = 16;

    /// <summary>The share of sequences whose value is recalled.</summary>
    /// <param name="model">The model.</param>
    /// <param name="data">Where the sequences come from.</param>
    /// <param name="length">Their length.</param>
    /// <param name="count">How many; rounded up to full batches.</param>
    public static double Accuracy(MambaLanguageModel model, InductionData data, int length, int count)
    {
        int right = 0, total = 0;
        while (total < count)
        {
            right += Right(model, data.Tests(total, Rows, length), length);
            total += Rows;
        }

        return (double)right / total;
    }

    private static int Right(MambaLanguageModel model, InductionSequence[] sequences, int length)
    {
        using ModelState state = model.CreateState(sequences.Length);
        float[] logits = new float[sequences.Length * model.Config.PaddedVocabularySize];
        int[] piece = new int[sequences.Length * Math.Min(PieceLength, length)];
        for (int start = 0; start < length; start += PieceLength)
        {
            int tokens = Math.Min(PieceLength, length - start);
            for (int row = 0; row < sequences.Length; row++)
            {
                sequences[row].Read(piece.AsSpan(row * tokens, tokens));
            }

            model.Prefill(piece.AsSpan(0, sequences.Length * tokens), state, logits);
        }

        return Answers.Right(logits, Array.ConvertAll(sequences, sequence => sequence.Value));
    }
}
