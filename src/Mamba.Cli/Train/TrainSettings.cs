using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mamba.Cpu;
using Mamba.Models.Checkpoints;

namespace Mamba.Cli.Train;

/// <summary>
/// What <c>mamba train</c> can be told: each property is a key of the configuration file (<c>learning_rate</c>) and an
/// option of the command line (<c>--learning-rate</c>), with one description and one default.
/// </summary>
/// <remarks>Sizes have the ranges of the files that a model is saved in: what is trained can be loaded.</remarks>
internal sealed record TrainSettings
{
    private const double MostSteps = 1e12;

    public static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
    };

    [Description("A file, or a folder of .txt files, to learn from.")]
    public string Data { get; init; } = "";

    [Description("Bytes of a token in the files, little-endian: 1 (text, or any bytes), 2 or 4.")]
    public int TokenBytes { get; init; } = 1;

    [Description("What ends a document, as text; empty: every file is one document. Only for tokens of 1 byte.")]
    public string Separator { get; init; } = "\n\n";

    [Description("The part of the documents that is not trained on, from 0 to below 1.")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double HeldOut { get; init; } = 0.05;

    [Description("Where the run is kept: settings, log, plot, checkpoints and the model.")]
    public string Output { get; init; } = "run";

    [Description("A model to go on with (a Hugging Face or state-spaces folder, or that of a run); empty: a new one.")]
    public string From { get; init; } = "";

    [Description("Kind of layers of a new model: mamba1 or mamba2.")]
    public ModelKind Model { get; init; } = ModelKind.Mamba2;

    [Description("Number of tokens of the vocabulary.")]
    [Range(1, ConfigRanges.MostVocabulary)]
    public int Vocabulary { get; init; } = 256;

    [Description("Width of the model, D.")]
    [Range(1, ConfigRanges.MostSize)]
    public int Dim { get; init; } = 128;

    [Description("Number of layers.")]
    [Range(1, ConfigRanges.MostLayers)]
    public int Layers { get; init; } = 4;

    [Description("States, N; 0: the default of the kind, 16 or 128.")]
    [Range(0, ConfigRanges.MostSize)]
    public int State { get; init; }

    [Description("Width of a head of Mamba-2, P; 0: the default, 64.")]
    [Range(0, ConfigRanges.MostSize)]
    public int Head { get; init; }

    [Description("Rank of low-rank adapters, which are trained in place of the model's weights; 0: none.")]
    [Range(0, ConfigRanges.MostSize)]
    public int LoraRank { get; init; }

    [Description("Scale of the adapters, α; what they compute is multiplied by α/rank.")]
    [Range(0.0, float.MaxValue)]
    public double LoraAlpha { get; init; } = 16;

    [Description("Whether the layers learn the state that a text begins with; for a model to go on with.")]
    public bool InitialState { get; init; }

    [Description("Steps of the optimiser.")]
    [Range(1.0, MostSteps)]
    public long Steps { get; init; } = 1000;

    [Description("Rows of a batch.")]
    [Range(1, int.MaxValue)]
    public int Batch { get; init; } = 16;

    [Description("Tokens of a row.")]
    [Range(1, int.MaxValue)]
    public int Length { get; init; } = 256;

    [Description(
        "How batches are cut: windows (shuffled), streams (the state is carried on), packed (whole documents).")]
    public BatchKind Batches { get; init; } = BatchKind.Windows;

    [Description("Batches whose gradients are averaged for one step.")]
    [Range(1, 1_000_000)]
    public int Accumulate { get; init; } = 1;

    [Description("The optimiser: adam-w, adam, sgd or lion.")]
    public OptimizerKind Optimizer { get; init; } = OptimizerKind.AdamW;

    [Description("The largest learning rate.")]
    [Range(0.0, float.MaxValue)]
    public double LearningRate { get; init; } = 3e-3;

    [Description("How the learning rate falls: constant, linear, cosine or warmup-stable-decay.")]
    public Mamba.Optimization.LearningRateKind Schedule { get; init; } = Mamba.Optimization.LearningRateKind.Cosine;

    [Description("Steps in which the learning rate rises to its largest.")]
    [Range(0.0, MostSteps)]
    public long Warmup { get; init; } = 50;

    [Description("Steps in which it falls at the end, with warmup-stable-decay.")]
    [Range(1.0, MostSteps)]
    public long Decay { get; init; } = 200;

    [Description("The learning rate of the last step, as a part of the largest.")]
    [Range(0.0, 1.0)]
    public double Floor { get; init; } = 0.1;

    [Description("Weight decay; of matrices only.")]
    [Range(0.0, float.MaxValue)]
    public double WeightDecay { get; init; } = 0.1;

    [Description("The optimiser's first β; the momentum of sgd.")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Beta1 { get; init; } = 0.9;

    [Description("The optimiser's second β.")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Beta2 { get; init; } = 0.95;

    [Description("The largest norm of the gradients; 0: any.")]
    [Range(0.0, double.MaxValue)]
    public double Clip { get; init; } = 1;

    [Description("How much of the weights' moving average is kept in a step; 0: there is none.")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Average { get; init; }

    [Description("Compute layers again on the way back, to save memory.")]
    public bool Recompute { get; init; }

    [Description("Decides the first weights, the order of the data and the documents that are held out.")]
    public int Seed { get; init; } = 1;

    [Description("Steps between evaluations on held-out documents; 0: only at the end.")]
    [Range(0.0, MostSteps)]
    public long EvaluateEvery { get; init; } = 250;

    [Description("Held-out tokens of an evaluation, always the same ones; 0: all.")]
    [Range(0.0, MostSteps)]
    public long EvaluateTokens { get; init; } = 100_000;

    [Description("Evaluations without a new best after which training ends; 0: it goes on.")]
    [Range(0, int.MaxValue)]
    public int Patience { get; init; }

    [Description("Steps between checkpoints; 0: only at the end.")]
    [Range(0.0, MostSteps)]
    public long CheckpointEvery { get; init; } = 250;

    [Description("Newest checkpoints that are kept; that of the best evaluation is kept beside them.")]
    [Range(1, int.MaxValue)]
    public int Keep { get; init; } = 2;

    [Description("How the weights of the finished model are stored: f32, bf16 or f16.")]
    public StoredAs Store { get; init; } = StoredAs.F32;

    [Description("Where to compute: " + DeviceSetting.Description)]
    public string Device { get; init; } = "cpu";

    [Description("Threads of the CPU; 0: one per core.")]
    [Range(0, CpuDevice.MaxThreads)]
    public int Threads { get; init; }
}

internal enum ModelKind
{
    Mamba1,
    Mamba2,
}

internal enum BatchKind
{
    Windows,
    Streams,
    Packed,
}

internal enum OptimizerKind
{
    AdamW,
    Adam,
    Sgd,
    Lion,
}

internal enum StoredAs
{
    F32,
    BF16,
    F16,
}
