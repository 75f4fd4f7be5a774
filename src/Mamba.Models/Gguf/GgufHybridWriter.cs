using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models.Checkpoints.Families;

namespace Mamba.Models.Gguf;

/// <summary>Writes models with layers of several kinds.</summary>
internal static class GgufHybridWriter
{
    /// <summary>Writes a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="config">Its configuration.</param>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="type">The type of matrices.</param>
    /// <param name="tokenizer">The tokenizer; null: the file has none.</param>
    /// <exception cref="NotSupportedException">No family can express the model; nothing is written.</exception>
    /// <remarks>
    /// Whether a family can express a model is found by reading the keys back: what is read must be the model.
    /// </remarks>
    public static void Write(
        MambaLanguageModel model, LanguageModelConfig config, string path, GgufType type, GgufTokenizer? tokenizer)
    {
        string? missing = "layers of these kinds in this order";
        foreach (GgufHybridArchitecture family in GgufArchitecture.All.OfType<GgufHybridArchitecture>())
        {
            if (!family.HasKinds(config))
            {
                continue;
            }

            GgufWriter writer = new();
            GgufModel.WriteCommonKeys(config, family, writer);
            family.WriteKeys(config, writer);
            GgufMatrix.WriteFileType(type, writer);
            GgufTokenizer.Write(tokenizer, config.PaddedVocabularySize, writer);
            PublishedTensors tensors = new(family.Map(config), model);
            tensors.RequireSet();
            Mamba2MixerOptions? mamba2 = config.Layers.SelectMany(GgufHybridArchitecture.Branches)
                .OfType<Mamba2MixerOptions>().FirstOrDefault();
            foreach ((string name, int[] shape) in tensors.All)
            {
                GgufMatrix.Announce(name, ShapeOf(name, shape, mamba2), tensors, type, writer);
            }

            missing = GgufReadBack.Difference(config, family, writer);
            if (missing is null)
            {
                writer.Save(path);
                return;
            }
        }

        throw GgufModel.CannotExpress(missing!);
    }

    /// <summary>The shape in the file: convolutions have two axes; some vectors of Mamba-2 are matrices.</summary>
    private static long[] ShapeOf(string name, int[] shape, Mamba2MixerOptions? mamba2) =>
        name.EndsWith("ssm_conv1d.weight", StringComparison.Ordinal) ? [shape[0], shape[2]]
        : mamba2 is not null && IsOneOf(name, "ssm_a", "ssm_d") ? [shape[0], 1]
        : mamba2 is not null && IsOneOf(name, "ssm_norm.weight") ? [mamba2.Groups, shape[0] / mamba2.Groups]
        : Array.ConvertAll(shape, size => (long)size);

    private static bool IsOneOf(string name, params ReadOnlySpan<string> ends)
    {
        foreach (string end in ends)
        {
            if (name.EndsWith(end, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }
}
