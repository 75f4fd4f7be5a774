using Mamba.Memory;

namespace Mamba.Models.Generation;

/// <summary>The likeliest next token of a text: all that greedy generation needs of the logits.</summary>
/// <param name="Token">Its id; of equally likely ones, the lowest.</param>
/// <param name="Logit">Its logit.</param>
internal readonly record struct Likeliest(int Token, float Logit)
{
    /// <summary>Finds the likeliest tokens on the device.</summary>
    /// <param name="logits">Shape [texts, 1, paddedVocabularySize].</param>
    /// <param name="vocabulary">Number of tokens that may be chosen.</param>
    /// <param name="found">Receives the logits and the ids, as int32, [2, texts].</param>
    public static void Find(DeviceArray logits, int vocabulary, DeviceArray found) =>
        found.Device.RowMaxima(logits.Slice(0, vocabulary), found.RowRange(0, 1), found.RowRange(1, 1));

    /// <summary>Copies to the host what <see cref="Find"/> found.</summary>
    /// <param name="found">The logits and the ids.</param>
    /// <param name="buffer">Room for the numbers of the array.</param>
    /// <param name="target">Receives one token for each text.</param>
    public static void CopyTo(DeviceArray found, Span<float> buffer, Span<Likeliest> target)
    {
        found.Device.DownloadExtrema(found, buffer);
        for (int i = 0; i < target.Length; i++)
        {
            target[i] = new(BitConverter.SingleToInt32Bits(buffer[target.Length + i]), buffer[i]);
        }
    }

    /// <summary>The token.</summary>
    /// <exception cref="ArgumentException">The logit is NaN or infinite.</exception>
    public int Checked() => float.IsFinite(Logit)
        ? Token
        : throw new ArgumentException(float.IsNegativeInfinity(Logit)
            ? "Every logit is -∞: there is no token to choose."
            : $"Logit {Token} is {Logit}: the model's numbers overflowed.");
}
