using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Training;
using Mamba.Optimization;

namespace Mamba.Cli.Train;

/// <summary>What the settings mean to the library.</summary>
internal static class ModelSettings
{
    public static LanguageModelConfig Config(TrainSettings settings)
    {
        MixerOptions layer = settings.Model == ModelKind.Mamba1
            ? new MambaMixerOptions { ModelDim = settings.Dim, StateDim = settings.State > 0 ? settings.State : 16 }
            : new Mamba2MixerOptions
            {
                ModelDim = settings.Dim,
                StateDim = settings.State > 0 ? settings.State : 128,
                HeadDim = settings.Head > 0 ? settings.Head : 64,
            };
        return new()
        {
            VocabularySize = settings.Vocabulary,
            Layers = [.. Enumerable.Repeat(layer, settings.Layers)],
        };
    }

    public static Optimizer MakeOptimizer(TrainSettings settings, Module module)
    {
        (double rate, double decay) = (settings.LearningRate, settings.WeightDecay);
        (double beta1, double beta2) = (settings.Beta1, settings.Beta2);
        return settings.Optimizer switch
        {
            OptimizerKind.Adam => new Adam(
                module, new() { LearningRate = rate, Beta1 = beta1, Beta2 = beta2, WeightDecay = decay }),
            OptimizerKind.Sgd => new Sgd(module, new() { LearningRate = rate, Momentum = beta1, WeightDecay = decay }),
            OptimizerKind.Lion => new Lion(
                module, new() { LearningRate = rate, Beta1 = beta1, Beta2 = beta2, WeightDecay = decay }),
            _ => new AdamW(module, new() { LearningRate = rate, Beta1 = beta1, Beta2 = beta2, WeightDecay = decay }),
        };
    }

    /// <param name="settings">The settings.</param>
    /// <param name="data">Lines that describe the data.</param>
    public static TrainerOptions MakeOptions(TrainSettings settings, IEnumerable<string> data) => new()
    {
        Steps = settings.Steps,
        Schedule = new()
        {
            Kind = settings.Schedule,
            Peak = settings.LearningRate,
            WarmupSteps = Math.Min(settings.Warmup, settings.Steps - 1),
            TotalSteps = settings.Steps,
            DecaySteps = Math.Min(settings.Decay, settings.Steps - Math.Min(settings.Warmup, settings.Steps - 1)),
            Floor = settings.Floor,
        },
        Accumulation = settings.Accumulate,
        ClipNorm = settings.Clip > 0 ? settings.Clip : null,
        AverageDecay = settings.Average > 0 ? settings.Average : null,
        EvaluateEvery = settings.EvaluateEvery,
        Patience = settings.Patience > 0 ? settings.Patience : null,
        Folder = settings.Output,
        CheckpointEvery = settings.CheckpointEvery,
        KeepCheckpoints = settings.Keep,
        TokensPerBatch = (long)settings.Batch * settings.Length,
        Configuration = string.Join('\n', [.. Lines(settings), .. data]),
    };

    /// <summary>
    /// The settings that decide the result, a line each; those that only say what is written where are left out.
    /// </summary>
    private static IEnumerable<string> Lines(TrainSettings settings)
    {
        bool hasSteps = settings.Schedule != LearningRateKind.Constant; // the others fall until the last step
        return SettingKind.All
            .Where(kind => kind.DecidesResult && (hasSteps || kind.Key != "steps")
                && !(kind.IsShape && settings.From.Length > 0))
            .Select(kind => $"{kind.Option}: {kind.TextOf(settings).ReplaceLineEndings("\\n")}");
    }
}
