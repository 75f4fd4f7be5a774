namespace Mamba.Models.Generation;

/// <summary>Computes log-probabilities from logits, in double precision.</summary>
/// <param name="vocabulary">Number of logits.</param>
/// <param name="count">Number of likeliest tokens to list.</param>
internal sealed class LogProbabilities(int vocabulary, int count)
{
    private readonly int[] _ids = new int[count > 0 ? vocabulary : 0];

    /// <summary>Describes a token.</summary>
    /// <param name="logits">Shape [vocabulary], finite or -∞, not all -∞.</param>
    /// <param name="chosen">The token that was chosen.</param>
    public GeneratedToken Of(ReadOnlySpan<float> logits, int chosen)
    {
        double normalizer = Normalizer(logits);
        TokenProbability[] likeliest = new TokenProbability[Math.Min(count, vocabulary)];
        if (likeliest.Length > 0)
        {
            for (int id = 0; id < _ids.Length; id++)
            {
                _ids[id] = id;
            }

            Ranking ranking = new(logits, _ids);
            for (int rank = 0; rank < likeliest.Length; rank++)
            {
                likeliest[rank] = new(ranking[rank], logits[ranking[rank]] - normalizer);
            }
        }

        return new(chosen, logits[chosen] - normalizer, likeliest);
    }

    /// <summary>Computes <c>log Σ exp(logit)</c>, so that <c>log p = logit - normalizer</c>.</summary>
    public static double Normalizer(ReadOnlySpan<float> logits)
    {
        float largest = System.Numerics.Tensors.TensorPrimitives.Max(logits);
        double sum = 0;
        foreach (float logit in logits)
        {
            sum += Math.Exp((double)logit - largest);
        }

        return largest + Math.Log(sum);
    }
}
