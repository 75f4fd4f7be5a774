using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mamba.Cpu;
using Mamba.Models.Checkpoints;

namespace Mamba.Cli.Train;

/// <summary>
/// The settings of <c>mamba train</c>. Each property is a key of the configuration file (<c>learning_rate</c>) and an
/// option of the command line (<c>--learning-rate</c>), with one description and one default.
/// </summary>
/// <remarks>Sizes are limited to the ranges of the model files, so that every trained model can be loaded.</remarks>
internal sealed record TrainSettings
{
    private const double MostSteps = 1e12;

    public static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
    };

    [Description("The training text: a file, or a folder of .txt files.")]
    public string Data { get; init; } = "";

    [Description("Bytes per token in the files, little-endian: 1 (text, or any bytes), 2 or 4.")]
    public int TokenBytes { get; init; } = 1;

    [Description("The text that ends a document. If empty, every file is one document. Only with 1 byte per token.")]
    public string Separator { get; init; } = "\n\n";

    [Description("Fraction of the documents that is held out for evaluation, from 0 to below 1.")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double HeldOut { get; init; } = 0.05;

    [Description("Folder of the run: settings, log, plot, checkpoints and the model.")]
    public string Output { get; init; } = "run";

    [Description("A model to fine-tune: a Hugging Face or state-spaces folder, or a run. If empty, a new one.")]
    public string From { get; init; } = "";

    [Description("Layers of a new model: mamba1 or mamba2.")]
    public ModelKind Model { get; init; } = ModelKind.Mamba2;

    [Description("Vocabulary size of a new model.")]
    [Range(1, ConfigRanges.MostVocabulary)]
    public int Vocabulary { get; init; } = 256;

    [Description("Width of a new model, D.")]
    [Range(1, ConfigRanges.MostSize)]
    public int Dim { get; init; } = 128;

    [Description("Number of layers of a new model.")]
    [Range(1, ConfigRanges.MostLayers)]
    public int Layers { get; init; } = 4;

    [Description("State size, N. 0 is the default: 16 for mamba1, 128 for mamba2.")]
    [Range(0, ConfigRanges.MostSize)]
    public int State { get; init; }

    [Description("Head size of mamba2, P. 0 is the default, 64.")]
    [Range(0, ConfigRanges.MostSize)]
    public int Head { get; init; }

    [Description("Fine-tune with LoRA adapters of this rank instead of all weights. 0 trains all weights.")]
    [Range(0, ConfigRanges.MostSize)]
    public int LoraRank { get; init; }

    [Description("LoRA alpha: the output of the adapters is multiplied by alpha/rank.")]
    [Range(0.0, float.MaxValue)]
    public double LoraAlpha { get; init; } = 16;

    [Description("Also train the initial state of the layers.")]
    public bool InitialState { get; init; }

    [Description("Optimiser steps.")]
    [Range(1.0, MostSteps)]
    public long Steps { get; init; } = 1000;

    [Description("Rows per batch.")]
    [Range(1, int.MaxValue)]
    public int Batch { get; init; } = 16;

    [Description("Tokens per row.")]
    [Range(1, int.MaxValue)]
    public int Length { get; init; } = 256;

    [Description(
        "Kind of batches: windows (shuffled), streams (in order, with carried state), packed (whole documents).")]
    public BatchKind Batches { get; init; } = BatchKind.Windows;

    [Description("Gradient accumulation: batches per optimiser step.")]
    [Range(1, 1_000_000)]
    public int Accumulate { get; init; } = 1;

    [Description("The optimiser: adam-w, adam, sgd or lion.")]
    public OptimizerKind Optimizer { get; init; } = OptimizerKind.AdamW;

    [Description("Peak learning rate.")]
    [Range(0.0, float.MaxValue)]
    public double LearningRate { get; init; } = 3e-3;

    [Description("Learning-rate schedule: constant, linear, cosine or warmup-stable-decay.")]
    public Mamba.Optimization.LearningRateKind Schedule { get; init; } = Mamba.Optimization.LearningRateKind.Cosine;

    [Description("Warm-up steps.")]
    [Range(0.0, MostSteps)]
    public long Warmup { get; init; } = 50;

    [Description("Decay steps at the end, with warmup-stable-decay.")]
    [Range(1.0, MostSteps)]
    public long Decay { get; init; } = 200;

    [Description("Learning rate of the last step, as a fraction of the peak.")]
    [Range(0.0, 1.0)]
    public double Floor { get; init; } = 0.1;

    [Description("Weight decay. It applies to matrices only.")]
    [Range(0.0, float.MaxValue)]
    public double WeightDecay { get; init; } = 0.1;

    [Description("First beta of the optimiser; the momentum of sgd.")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Beta1 { get; init; } = 0.9;

    [Description("Second beta of the optimiser.")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Beta2 { get; init; } = 0.95;

    [Description("Clip gradients to this norm. 0 disables it.")]
    [Range(0.0, double.MaxValue)]
    public double Clip { get; init; } = 1;

    [Description("EMA decay of the weights. 0 disables it.")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Average { get; init; }

    [Description("Activation checkpointing: recompute layers in the backward pass, to save memory.")]
    public bool Recompute { get; init; }

    [Description("Seed of the initial weights, the order of the data and the choice of held-out documents.")]
    public int Seed { get; init; } = 1;

    [Description("Steps between evaluations on held-out documents. 0 evaluates only at the end.")]
    [Range(0.0, MostSteps)]
    public long EvaluateEvery { get; init; } = 250;

    [Description("Held-out tokens per evaluation, always the same ones. 0 uses all.")]
    [Range(0.0, MostSteps)]
    public long EvaluateTokens { get; init; } = 100_000;

    [Description("Stop after this many evaluations without improvement. 0 disables it.")]
    [Range(0, int.MaxValue)]
    public int Patience { get; init; }

    [Description("Steps between checkpoints. 0 saves one only at the end.")]
    [Range(0.0, MostSteps)]
    public long CheckpointEvery { get; init; } = 250;

    [Description("Number of newest checkpoints to keep. The best one is always kept.")]
    [Range(1, int.MaxValue)]
    public int Keep { get; init; } = 2;

    [Description("Format of the saved model's weights: f32, bf16 or f16.")]
    public StoredAs Store { get; init; } = StoredAs.F32;

    [Description("Device: " + DeviceSetting.Description)]
    public string Device { get; init; } = "cpu";

    [Description("CPU threads. 0 is one per physical core.")]
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
