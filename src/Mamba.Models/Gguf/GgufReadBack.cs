using Mamba.Layers;
using Mamba.Models.Checkpoints.Families;

namespace Mamba.Models.Gguf;

/// <summary>Compares a configuration with the one that is read from the keys it was written as.</summary>
internal static class GgufReadBack
{
    /// <summary>Says what of a model the keys and tensors of a file do not express; null: nothing.</summary>
    /// <param name="config">The model's configuration.</param>
    /// <param name="family">The family that it was written as.</param>
    /// <param name="map">The tensors that it is written as.</param>
    public static string? Difference(LanguageModelConfig config, GgufHybridArchitecture family, TensorMap map)
    {
        GgufWriter writer = new();
        family.WriteAllKeys(config, writer);
        foreach (TensorPart part in map.Parts.DistinctBy(part => part.Tensor))
        {
            writer.Add(part.Tensor, GgufType.F32, Array.ConvertAll(part.Shape, size => (long)size), (_, _) => { });
        }

        LanguageModelConfig read;
        string path = Path.Combine(Path.GetTempPath(), $"{Path.GetRandomFileName()}.gguf");
        try
        {
            writer.SaveWithoutData(path);
            using GgufFile file = GgufFile.Open(path);
            read = GgufModel.ReadConfig(file, family, tokenizer: null);
        }
        catch (InvalidDataException exception)
        {
            string refusal = exception.Message.Replace($"{path}: ", "", StringComparison.Ordinal);
            return $"its layers: {refusal.TrimEnd('.')}";
        }
        finally
        {
            File.Delete(path);
        }

        if (read.Layers.Count != config.Layers.Count)
        {
            return $"{config.Layers.Count} layers";
        }

        for (int i = 0; i < read.Layers.Count; i++)
        {
            foreach ((object own, object other) in Parts(config.Layers[i]).Zip(Parts(read.Layers[i])))
            {
                if (!own.Equals(other))
                {
                    return $"layer {i}: {FirstDifference(own, other)}";
                }
            }
        }

        // Of a vocabulary only the rows count. A factor that is written as its inverse may differ in its last bit.
        LanguageModelConfig written = config with
        {
            VocabularySize = read.VocabularySize,
            VocabularyMultiple = read.VocabularyMultiple,
            EndOfText = read.EndOfText,
            Layers = read.Layers,
            LogitScale = MathF.Abs(config.LogitScale - read.LogitScale) <= 1e-6f * read.LogitScale
                ? read.LogitScale
                : config.LogitScale,
        };
        return written == read ? null : FirstDifference(written, read);
    }

    /// <summary>The records whose texts have all options of a layer.</summary>
    private static IEnumerable<object> Parts(MixerOptions layer) => layer is ParallelMixerOptions parallel
        ? parallel.Branches.Select(branch => branch with { Mixer = Essential(branch.Mixer) })
        : [Essential(layer)];

    /// <summary>The options that decide what a layer computes, not how it is initialized or run.</summary>
    private static MixerOptions Essential(MixerOptions layer)
    {
        switch (layer)
        {
            case MambaMixerOptions mamba:
                MambaMixerOptions plain = new() { ModelDim = mamba.ModelDim };
                return mamba with
                {
                    TimeStepMin = plain.TimeStepMin,
                    TimeStepMax = plain.TimeStepMax,
                    TimeStepFloor = plain.TimeStepFloor,
                    TimeStepScale = plain.TimeStepScale,
                    ConstantTimeStepWeights = plain.ConstantTimeStepWeights,
                };
            case Mamba2MixerOptions mamba:
                Mamba2MixerOptions usual = new() { ModelDim = mamba.ModelDim };
                return mamba with
                {
                    TimeStepMin = usual.TimeStepMin,
                    TimeStepMax = usual.TimeStepMax,
                    TimeStepFloor = usual.TimeStepFloor,
                    AInitRange = usual.AInitRange,
                    ChunkLength = usual.ChunkLength,
                    UngroupedNorm = mamba is { UngroupedNorm: true, Groups: > 1, Norm: true },
                    NormEpsilon = mamba.Norm ? mamba.NormEpsilon : usual.NormEpsilon,
                };
            case AttentionMixerOptions attention:
                bool hasRotary = attention.RotaryDim > 0;
                return attention with
                {
                    RotaryBase = hasRotary ? (float)attention.RotaryBase : 1,
                    RotaryInterleaved = hasRotary && attention.RotaryInterleaved,
                };
            default:
                return layer;
        }
    }

    /// <summary>The first option in which the texts of two records differ.</summary>
    private static string FirstDifference(object own, object other)
    {
        string[] left = own.ToString()!.Split(", "), right = other.ToString()!.Split(", ");
        int at = Enumerable.Range(0, Math.Min(left.Length, right.Length)).FirstOrDefault(i => left[i] != right[i]);
        return left[at].Split("{ ")[^1].TrimEnd(' ', '}');
    }
}
