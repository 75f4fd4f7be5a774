using System.Globalization;
using Mamba.Models.Data;

namespace Mamba.Cli.Train;

/// <summary>Tells how often a run reads its text, and warns where that is too often.</summary>
internal static class Readings
{
    /// <summary>Epochs after which a model overfits.</summary>
    /// <remarks>
    /// Muennighoff et al., "Scaling data-constrained language models", <see href="https://arxiv.org/abs/2305.16264"/>:
    /// up to 4 epochs are about as good as new text.
    /// </remarks>
    private const double Many = 4;

    public static IEnumerable<string> Describe(TrainSettings settings, TokenCorpus corpus)
    {
        double tokens = (double)settings.Steps * settings.Accumulate * settings.Batch * settings.Length;
        double times = tokens / corpus.Training.Length;
        string part = times < 0.995 ? Number(100 * times) + "% of the text" : $"the text {Number(times)} times";
        yield return string.Create(CultureInfo.InvariantCulture, $"{settings.Steps:N0} steps read {part}");
        bool isHeldOut = corpus.HeldOut.Length >= 2;
        if (settings.HeldOut > 0 && !isHeldOut)
        {
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"Warning: the seed held out none of {corpus.Training.DocumentCount:N0} documents, so nothing " +
                $"is evaluated. Choose another --seed, or a --separator that makes more documents.");
        }

        if (times > Many)
        {
            string advice = !isHeldOut ? "No text is held out that would show it."
                : settings.Patience > 0 ? "The run stops early when the held-out loss no longer improves."
                : "The best model is kept; fewer --steps, or --patience, save time.";
            yield return $"Warning: after more than {Many} epochs a model overfits. {advice}";
        }
    }

    private static string Number(double times) =>
        times.ToString(times < 10 ? "0.#" : "N0", CultureInfo.InvariantCulture);
}
