using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;

namespace Mamba.Tests.Models;

/// <summary>A small model before and after fine-tuning.</summary>
internal static class TunedModels
{
    public static int[] Ids => [1, 5, 2, 9, 3, 3, 7];

    public static LanguageModelConfig Config => new()
    {
        VocabularySize = 11,
        TieEmbeddings = false,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 8, StateDim = 4, TimeStepRank = 2 },
            new MambaMixerOptions { ModelDim = 8, StateDim = 4, TimeStepRank = 2 },
        ],
    };

    public static MambaLanguageModel Base(Device device) => new(device, Config, new Random(1));

    /// <summary>The model after adapters, a norm and initial states have been tuned.</summary>
    public static MambaLanguageModel Create(Device device)
    {
        MambaLanguageModel model = Base(device);
        LowRank.Adapt(model, new() { Rank = 3, Alpha = 4 }, new Random(2));
        model.FinalNorm.Weight.IsTrainable = true;
        foreach (ResidualBlock block in model.Blocks)
        {
            ((RecurrentMixer)block.Mixer).LearnInitialState();
        }

        foreach ((_, Parameter parameter) in model.Parameters.Where(named => named.Parameter.IsTrainable))
        {
            Randomize(parameter);
        }

        return model;
    }

    public static void Randomize(Parameter parameter) =>
        parameter.Value.CopyFrom(Samples.Normal(7, (int)parameter.Value.Shape.Count, 0.3));

    public static string[] TrainableOf(MambaLanguageModel model) =>
        [.. model.Parameters.Where(named => named.Parameter.IsTrainable).Select(named => named.Name).Order()];
}
