namespace Mamba.Models;

/// <summary>
/// Describes the shape and meaning of a model's state. Two models with equal descriptions can use each other's states.
/// The description depends neither on the culture nor on options that do not affect states.
/// </summary>
internal static class StateKind
{
    /// <summary>
    /// The description, such as <c>vocabulary 256, width 128, 4 x mamba2 (heads 4 x 64, states 64, window 3 x 384)</c>.
    /// </summary>
    public static string Of(LanguageModelConfig config)
    {
        List<(string Layer, int Count)> layers = [];
        foreach (string layer in config.Layers.Select(options => options.DescribeState()))
        {
            if (layers.Count > 0 && layers[^1].Layer == layer)
            {
                layers[^1] = (layer, layers[^1].Count + 1);
            }
            else
            {
                layers.Add((layer, 1));
            }
        }

        return FormattableString.Invariant(
            $"vocabulary {config.PaddedVocabularySize}, width {config.ModelDim}, ") + string.Join(
                ", ", layers.Select(run => FormattableString.Invariant($"{run.Count} x {run.Layer}")));
    }
}
