using System.Globalization;
using Mamba.Layers;

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
        foreach (string layer in config.Layers.Select(Of))
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

    private static string Of(MixerOptions options) => options switch
    {
        MambaMixerOptions mamba => FormattableString.Invariant(
            $"mamba1 (channels {mamba.InnerDim}, states {mamba.StateDim}, window {mamba.ConvWidth - 1})"),
        Mamba2MixerOptions mamba2 => FormattableString.Invariant(
            $"mamba2 (heads {mamba2.Heads} x {mamba2.HeadDim}, states {mamba2.StateDim}, groups {mamba2.Groups}, ") +
            FormattableString.Invariant($"window {mamba2.ConvWidth - 1})"),
        S4dMixerOptions s4d => FormattableString.Invariant(
            $"s4d (channels {s4d.InnerDim}, states {s4d.States}{(s4d.IsComplex ? " complex" : "")}, ") +
            FormattableString.Invariant($"window {s4d.ConvWidth - 1})"),
        AttentionMixerOptions attention => FormattableString.Invariant(
            $"attention (heads {attention.Heads} of {attention.KeyValueHeads} x {attention.HeadDim}, rotary ") +
            string.Create(
                CultureInfo.InvariantCulture,
                $"{attention.RotaryDim} base " +
                $"{attention.RotaryBase:R}{(attention.RotaryInterleaved ? " interleaved" : "")}, ") +
            FormattableString.Invariant($"window {Math.Max(attention.ConvWidth - 1, 0)})"),
        _ => options.DescribeState(),
    };
}
