using Mamba.Checkpoints;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models.Checkpoints;
using Mamba.Models.Checkpoints.Families;
using Mamba.Models.Gguf;

namespace Mamba.Models;

/// <content>Models in the GGUF format of llama.cpp.</content>
public sealed partial class MambaLanguageModel
{
    /// <summary>The tokenizer data of the GGUF file that the model was loaded from; null: none.</summary>
    public GgufTokenizer? GgufTokenizer { get; private set; }

    /// <summary>
    /// Saves the model as a GGUF file (version 3) that llama.cpp loads. Adapters are merged into the saved weights; the
    /// model itself keeps them separate.
    /// </summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="type">
    /// How matrices are stored: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K. Norms, biases,
    /// convolutions, A and D are float32. Where rows are not whole blocks, the type is the one that llama.cpp takes:
    /// Q8_0, Q5_0 or Q5_1, else F16.
    /// </param>
    /// <param name="tokenizer">
    /// The tokenizer to embed; unused tokens fill it up to the rows of the embedding. Null takes
    /// <see cref="GgufTokenizer"/>; without that, the file has no tokenizer.
    /// </param>
    /// <exception cref="NotSupportedException">
    /// GGUF cannot express the model, or the type is not written; the message gives the reason. Nothing is written.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// The tokenizer has more tokens than the embedding has rows, or two of one text, which llama.cpp refuses.
    /// </exception>
    /// <exception cref="ArithmeticException">
    /// A weight does not fit the type: it is too large or NaN. The file is not written.
    /// </exception>
    /// <exception cref="InvalidOperationException">Weights were never set. Nothing is written.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed. Nothing is written.</exception>
    /// <remarks>
    /// A matrix that the model stores in the precision of the type, such as <see cref="Precision.Q4K"/>, is written as
    /// it is, to the bit. The file has A where the model has log(-A): converted in float64 and rounded once, in both
    /// directions, so A may differ in its last two bits after it was loaded.
    /// </remarks>
    public void SaveGguf(string path, GgufType type = GgufType.F32, GgufTokenizer? tokenizer = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        LanguageModelConfig config = CurrentConfig;
        GgufMatrix.RequireWritten(type);
        if (!GgufModel.IsPure(config))
        {
            GgufHybridWriter.Write(this, config, path, type, tokenizer ?? GgufTokenizer);
            return;
        }

        GgufPureArchitecture architecture = GgufModel.ArchitectureFor(config);
        GgufWriter writer = new();
        GgufModel.WriteConfig(config, architecture, writer);
        GgufMatrix.WriteFileType(type, writer);
        GgufTokenizer.Write(tokenizer ?? GgufTokenizer, config.PaddedVocabularySize, writer);
        NamedWeight[] weights = [.. WeightNames.Of(this)];
        Array.ForEach(weights, weight => weight.RequireSet());
        int groups = (config.Layers[0] as Mamba2MixerOptions)?.Groups ?? 1;
        foreach (NamedWeight weight in weights)
        {
            GgufMatrix.Announce(weight, architecture.NameOf(weight.Name)!, groups, type, writer);
        }

        writer.Save(path);
    }

    private static MambaLanguageModel LoadGguf(string path, Device device, bool? ungroupedNorm, Precision? precision)
    {
        using GgufFile file = GgufFile.Open(path);
        GgufArchitecture architecture = GgufModel.ArchitectureOf(file);
        GgufTokenizer? tokenizer = GgufTokenizer.Read(file);
        LanguageModelConfig config = WithNorm(GgufModel.ReadConfig(file, architecture, tokenizer), ungroupedNorm);
        TensorMap? map = (architecture as GgufHybridArchitecture)?.Map(file, config);
        using GgufTensors? weights =
            architecture is GgufPureArchitecture pure ? new(file, pure, config) : null;
        MambaLanguageModel model = new(device, config, random: null) { GgufTokenizer = tokenizer };
        try
        {
            if (weights is not null)
            {
                model.LoadWeights(weights, precision);
            }
            else
            {
                GgufParts.Load(file, map!, model, model.NarrowWhen(precision), precision);
            }

            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }
}
