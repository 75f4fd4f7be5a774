using Mamba.Layers;
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

            TensorMap map = family.Map(config);
            missing = GgufReadBack.Difference(config, family, map);
            if (missing is null)
            {
                GgufWriter writer = new();
                family.WriteAllKeys(config, writer);
                GgufMatrix.WriteFileType(type, writer);
                GgufTokenizer.Write(tokenizer, config.PaddedVocabularySize, writer);
                Announce(new(map, model), config, type, writer);
                writer.Save(path);
                return;
            }
        }

        throw GgufModel.CannotExpress(missing!);
    }

    private static void Announce(PublishedTensors tensors, LanguageModelConfig config, GgufType type, GgufWriter writer)
    {
        tensors.RequireSet();
        Mamba2MixerOptions? mamba2 = config.Layers.SelectMany(GgufHybridArchitecture.Branches)
            .OfType<Mamba2MixerOptions>().FirstOrDefault();
        foreach ((string name, int[] shape) in tensors.All)
        {
            GgufMatrix.Announce(name, ShapeOf(name, shape, mamba2), tensors, type, writer);
        }
    }

    /// <summary>The shape in the file: convolutions have two axes; some vectors of Mamba-2 are matrices.</summary>
    private static long[] ShapeOf(string name, int[] shape, Mamba2MixerOptions? mamba2) =>
        name.Split('.', 3)[^1] switch // without "blk.", the layer and a dot
        {
            "ssm_conv1d.weight" => [shape[0], shape[2]],
            "ssm_a" or "ssm_d" when mamba2 is not null => [shape[0], 1],
            "ssm_norm.weight" when mamba2 is not null => [mamba2.Groups, shape[0] / mamba2.Groups],
            _ => Array.ConvertAll(shape, size => (long)size),
        };
}
