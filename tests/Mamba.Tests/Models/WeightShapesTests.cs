using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Checkpoints;

namespace Mamba.Tests.Models;

/// <summary>What is expected of a file, by the configuration alone, is what the model has.</summary>
public sealed class WeightShapesTests
{
    private static readonly MixerOptions[] Layers =
    [
        new MambaMixerOptions { ModelDim = 8, InnerDim = 12, StateDim = 5, ConvWidth = 3, TimeStepRank = 7 },
        new MambaMixerOptions
        {
            ModelDim = 8, Bias = true, ConvBias = false, Gate = false, LearnableInitialState = true,
        },
        new Mamba2MixerOptions { ModelDim = 8, StateDim = 5, HeadDim = 4, Groups = 2, ConvWidth = 3 },
        new Mamba2MixerOptions
        {
            ModelDim = 8, SsmDim = 12, StateDim = 5, HeadDim = 4, DPerChannel = true, Bias = true,
        },
        new Mamba2MixerOptions
        {
            ModelDim = 8, StateDim = 5, HeadDim = 4, Gate = false, Norm = false, ConvBias = false,
            LearnableInitialState = true,
        },
        new AttentionMixerOptions { ModelDim = 8, Heads = 4, KeyValueHeads = 2, HeadDim = 3 },
        new AttentionMixerOptions { ModelDim = 8, Heads = 2, ConvWidth = 4, Bias = true },
    ];

    public static TheoryData<int, int, bool> Models
    {
        get
        {
            TheoryData<int, int, bool> models = [];
            for (int i = 0; i < Layers.Length; i++)
            {
                models.Add(i, 0, true);
                models.Add(i, 24, false);
            }

            return models;
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Names_and_shapes_are_those_of_the_model(int layer, int mlpDim, bool ties)
    {
        LanguageModelConfig config = new()
        {
            VocabularySize = 11, VocabularyMultiple = 8, Layers = [Layers[layer], Layers[0]], MlpDim = mlpDim,
            TieEmbeddings = ties,
        };
        using Mamba.Devices.Device device = TestDevice.Open();
        using MambaLanguageModel model = new(device, config, null);

        string[] expected = [.. WeightNames.Of(model).Select(weight => Text(weight.Name, weight.Shape))];

        WeightShapes.Of(config).Select(weight => Text(weight.Name, weight.Shape)).Should().BeEquivalentTo(expected);
    }

    private static string Text(string name, int[] shape) => $"{name} [{string.Join(", ", shape)}]";
}
