using System.Globalization;
using Mamba.Layers;
using Mamba.Models.Checkpoints;

namespace Mamba.Models.Gguf;

/// <summary>Reads and writes the configuration of a model in the keys of a GGUF file.</summary>
internal static class GgufModel
{
    private const string ArchitectureKey = "general.architecture";
    private const string EpsilonKey = "attention.layer_norm_rms_epsilon";

    /// <summary>Context length that llama.cpp's converter writes for models without a limit.</summary>
    private const int ContextLength = 1 << 20;

    /// <summary>Most padding of a vocabulary that is taken for padding to a multiple.</summary>
    private const int MostMultiple = 256;

    /// <summary>Whether a path names a GGUF file, which need not exist.</summary>
    public static bool IsPath(string path) => path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase);

    /// <summary>The family of a file's model.</summary>
    /// <exception cref="NotSupportedException">The family is not supported.</exception>
    public static GgufArchitecture ArchitectureOf(GgufFile file)
    {
        string name = file.Keys.Text(ArchitectureKey)
            ?? throw file.Keys.Refuse(ArchitectureKey, "the kind of model", "no such key");
        return GgufArchitecture.All.FirstOrDefault(known => known.Name == name)
            ?? throw new NotSupportedException(
                $"{file.Path}: {ArchitectureKey} is \"{name}\"; supported are {Supported}.");
    }

    /// <summary>Reads a configuration.</summary>
    /// <exception cref="InvalidDataException">A key is missing, of another type, or out of its range.</exception>
    public static LanguageModelConfig ReadConfig(
        GgufFile file, GgufArchitecture architecture, GgufTokenizer? tokenizer)
    {
        GgufKeys keys = file.Keys;
        int layers = keys.Integer($"{architecture.Name}.block_count", ConfigRanges.Layers);
        int dim = keys.Integer($"{architecture.Name}.embedding_length", ConfigRanges.Size);
        float epsilon = (float)keys.Number($"{architecture.Name}.{EpsilonKey}", ConfigRanges.Epsilon);
        (int size, int multiple) = Vocabulary(file, architecture, tokenizer);
        int?[] ends = [tokenizer?.EndOfText, tokenizer?.EndOfTurn];
        LanguageModelConfig config = architecture.Complete(new()
        {
            VocabularySize = size,
            VocabularyMultiple = multiple,
            Layers = architecture.ReadLayers(file, layers, dim, epsilon),
            NormEpsilon = epsilon,
            TieEmbeddings = !file.Tensors.ContainsKey("output.weight"),
            EndOfText = [.. ends.OfType<int>().Where(token => token < size).Distinct()],
        }, file);
        try
        {
            config.Validate();
            return config;
        }
        catch (ArgumentException exception)
        {
            throw new InvalidDataException($"{file.Path}: {exception.Message}", exception);
        }
    }

    /// <summary>The family that can express a model.</summary>
    /// <exception cref="NotSupportedException">There is none; the message gives the reason.</exception>
    public static GgufPureArchitecture ArchitectureFor(LanguageModelConfig config)
    {
        MixerOptions first = config.Layers[0];
        GgufPureArchitecture architecture = GgufArchitecture.All.OfType<GgufPureArchitecture>()
            .First(known => known.Missing(first, config.NormEpsilon) != "");
        string? missing = config is not { ResidualScale: 1, EmbeddingScale: 1, LogitScale: 1 } ? "factors of a stream"
            : config.PostNorms ? "PostNorms = True"
            : config.MlpDim > 0 ? $"MlpDim = {config.MlpDim}"
            : config.Layers.Any(layer => layer != first) ? "layers that differ"
            : architecture.Missing(first, config.NormEpsilon) is { } option ? $"{first.GetType().Name}{option}"
            : null;
        return missing is null
            ? architecture
            : throw CannotExpress(missing);
    }

    /// <summary>Whether all layers are Mamba, or all are Mamba-2.</summary>
    public static bool IsPure(LanguageModelConfig config) =>
        config.Layers.All(layer => layer is MambaMixerOptions)
        || config.Layers.All(layer => layer is Mamba2MixerOptions);

    public static NotSupportedException CannotExpress(string what) =>
        new($"The model cannot be saved: GGUF cannot express {what}.");

    /// <summary>Writes the keys of a configuration.</summary>
    public static void WriteConfig(LanguageModelConfig config, GgufPureArchitecture architecture, GgufWriter writer)
    {
        string prefix = $"{architecture.Name}.";
        WriteCommonKeys(config, architecture, writer);
        writer.AddUInt32($"{prefix}feed_forward_length", 0);
        writer.AddUInt32($"{prefix}attention.head_count", 0);
        architecture.WriteLayers(config.Layers[0], writer, prefix);
    }

    /// <summary>Writes the keys that all families have.</summary>
    public static void WriteCommonKeys(LanguageModelConfig config, GgufArchitecture architecture, GgufWriter writer)
    {
        string prefix = $"{architecture.Name}.";
        writer.Add(ArchitectureKey, architecture.Name);
        writer.AddUInt32($"{prefix}context_length", ContextLength);
        writer.AddUInt32($"{prefix}embedding_length", config.ModelDim);
        writer.AddUInt32($"{prefix}block_count", architecture.BlockCount(config));
        writer.AddUInt32($"{prefix}vocab_size", config.PaddedVocabularySize);
        writer.Add($"{prefix}{EpsilonKey}", config.NormEpsilon);
    }

    /// <summary>Text of a number, for messages.</summary>
    public static string Shown(float value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Supported => string.Join(", ", GgufArchitecture.All.Select(known => known.Name));

    /// <summary>
    /// Number of tokens, and the multiple that it is padded to: unused tokens at the end are padding.
    /// </summary>
    private static (int Size, int Multiple) Vocabulary(
        GgufFile file, GgufArchitecture architecture, GgufTokenizer? tokenizer)
    {
        GgufTensor embedding = file.Find("token_embd.weight");
        long rows = embedding.Shape.Length == 2 ? embedding.Shape[0] : 1;
        if (rows > ConfigRanges.MostVocabulary)
        {
            throw new InvalidDataException(
                $"{file.Path}: tensor \"{embedding.Name}\": expected at most {ConfigRanges.MostVocabulary} rows; " +
                $"found {rows}.");
        }

        if (tokenizer is null)
        {
            return ((int)rows, 1);
        }

        if (tokenizer.Tokens.Count != rows)
        {
            throw file.Keys.Refuse(
                "tokenizer.ggml.tokens", $"{rows} tokens, one for each row of \"{embedding.Name}\"",
                $"{tokenizer.Tokens.Count}");
        }

        int size = (int)rows;
        while (size > 1 && tokenizer.TokenTypes?[size - 1] == GgufTokenizer.UnusedType)
        {
            size--;
        }

        if (PaddedTo(architecture.VocabularyMultiple) == rows)
        {
            return (size, architecture.VocabularyMultiple);
        }

        int multiple = 1;
        while (multiple < MostMultiple && PaddedTo(multiple) != rows)
        {
            multiple *= 2;
        }

        return PaddedTo(multiple) == rows ? (size, multiple) : (size, (int)rows);

        int PaddedTo(int multiple) => (size + multiple - 1) / multiple * multiple;
    }
}
