using System.Collections;
using System.Reflection;
using Mamba.Layers;
using Mamba.Models;

namespace Mamba.Tests.Models;

/// <summary>
/// Every option of every layer and of the model is the same after saving and loading, or is refused at saving by name.
/// </summary>
/// <remarks>A new option fails here until <see cref="Others"/> has another value for it.</remarks>
public sealed class CheckpointOptionTests : IDisposable
{
    /// <summary>Options that mean nothing once the first weights are drawn.</summary>
    private static readonly string[] _ofTheStart =
    [
        nameof(MambaMixerOptions.TimeStepMin), nameof(MambaMixerOptions.TimeStepMax),
        nameof(MambaMixerOptions.TimeStepFloor), nameof(MambaMixerOptions.TimeStepScale),
        nameof(MambaMixerOptions.ConstantTimeStepWeights), nameof(Mamba2MixerOptions.AInitRange),
        nameof(Mamba2MixerOptions.ChunkLength),
    ];

    private readonly CheckpointFolder _folder = new();

    /// <summary>Layers whose options are changed one by one.</summary>
    private static readonly Dictionary<string, MixerOptions> Layers = new()
    {
        ["mamba"] = new MambaMixerOptions { ModelDim = 8, StateDim = 4 },
        ["falcon"] = new MambaMixerOptions { ModelDim = 8, StateDim = 4, ParameterNormEpsilon = 1e-6f },
        ["mamba2"] = new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4 },
        ["mamba2 of two groups"] = new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 2, Groups = 2 },
        ["attention"] = new AttentionMixerOptions { ModelDim = 8, Heads = 2, HeadDim = 6, RotaryDim = 4 },
        ["s4d"] = new S4dMixerOptions { ModelDim = 8 },
    };

    public static TheoryData<string> Names => [.. Layers.Keys];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void Each_option_of_a_layer_is_saved_or_refused_by_name(string name)
    {
        foreach (PropertyInfo property in Settable(Layers[name].GetType()))
        {
            MixerOptions options = With(Layers[name], property);
            if (IsValid(options.Validate))
            {
                ShouldBeKeptOrRefused(ModelOf(options), property);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Each_pair_of_options_of_a_layer_is_saved_or_refused_by_name(string name)
    {
        PropertyInfo[] properties = Settable(Layers[name].GetType());
        foreach (PropertyInfo first in properties)
        {
            foreach (PropertyInfo second in properties.SkipWhile(property => property != first).Skip(1))
            {
                MixerOptions options = With(With(Layers[name], first), second);
                if (IsValid(options.Validate))
                {
                    ShouldBeKeptOrRefused(ModelOf(options), first, second);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Each_option_of_a_model_is_saved_or_refused_by_name(string name)
    {
        foreach (PropertyInfo property in Settable(typeof(LanguageModelConfig)))
        {
            ShouldBeKeptOrRefused(With(ModelOf(Layers[name]), property), property);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Each_option_of_a_model_beside_one_of_its_layers_is_saved_or_refused_by_name(string name)
    {
        foreach (PropertyInfo ofModel in Settable(typeof(LanguageModelConfig)).Where(
            property => property.Name != nameof(LanguageModelConfig.Layers)))
        {
            foreach (PropertyInfo ofLayer in Settable(Layers[name].GetType()))
            {
                MixerOptions options = With(Layers[name], ofLayer);
                if (IsValid(options.Validate))
                {
                    ShouldBeKeptOrRefused(With(ModelOf(options), ofModel), ofModel, ofLayer);
                }
            }
        }
    }

    [Fact]
    public void Options_of_the_start_exist()
    {
        IEnumerable<PropertyInfo> all = Layers.Values.SelectMany(layer => Settable(layer.GetType()));

        all.Select(property => property.Name).Should().Contain(_ofTheStart);
    }

    private static PropertyInfo[] Settable(Type type) =>
    [
        .. type.GetProperties().Where(property => property.CanWrite)
            .OrderBy(property => property.Name, StringComparer.Ordinal),
    ];

    /// <summary>A model of such layers; attention stands beside Mamba, as checkpoints have it.</summary>
    private static LanguageModelConfig ModelOf(MixerOptions layer) => new()
    {
        VocabularySize = 11,
        Layers = layer is AttentionMixerOptions
            ? [new Mamba2MixerOptions { ModelDim = layer.ModelDim, StateDim = 4, HeadDim = 4 }, layer]
            : [layer, layer],
    };

    /// <summary>The same options with another value of one.</summary>
    private static T With<T>(T options, PropertyInfo property)
        where T : notnull
    {
        T copy = (T)options.GetType().GetMethod("<Clone>$")!.Invoke(options, null)!;
        property.SetValue(copy, Others(options, property));
        return copy;
    }

    private static object? Others(object options, PropertyInfo property) => property.Name switch
    {
        nameof(MixerOptions.ModelDim) => 16,
        nameof(MambaMixerOptions.InnerDim) => 20, // no multiple of 8
        nameof(Mamba2MixerOptions.SsmDim) => 8,
        nameof(Mamba2MixerOptions.HeadDim) when options is Mamba2MixerOptions mamba2 => 6 - mamba2.HeadDim,
        nameof(Mamba2MixerOptions.Groups) => 4,
        nameof(MambaMixerOptions.ParameterNormEpsilon) => 1e-3f,
        nameof(Mamba2MixerOptions.ProjectionScales) => new Mamba2Scales(1, 1, 1, 1, 2),
        nameof(AttentionMixerOptions.Scale) => 0.7f,
        nameof(AttentionMixerOptions.HeadNormEpsilon) => 1e-5f,
        nameof(Mamba2MixerOptions.DeltaMin) => 0.6f,
        nameof(Mamba2MixerOptions.DeltaMax) => 0.7f,
        nameof(Mamba2MixerOptions.AInitRange) => (2.0, 3.0),
        nameof(AttentionMixerOptions.Heads) => 4,
        nameof(AttentionMixerOptions.KeyValueHeads) => 1,
        nameof(AttentionMixerOptions.RotaryDim) => 2,
        nameof(LanguageModelConfig.VocabularyMultiple) => 8,
        nameof(LanguageModelConfig.MlpDim) => 128,
        nameof(LanguageModelConfig.EndOfText) => new[] { 3, 10 },
        nameof(LanguageModelConfig.Layers) =>
            ((IEnumerable<MixerOptions>)property.GetValue(options)!).Append(Layers["mamba2"]).ToArray(),
        _ => property.GetValue(options) switch
        {
            bool value => !value,
            int value => value + 2,
            float value => value * 2,
            double value => value * 2,
            object value => throw new InvalidOperationException($"No other value for {property.Name} = {value}."),
            null => throw new InvalidOperationException($"No other value for {property.Name}."),
        },
    };

    private static bool IsValid(Action validate)
    {
        try
        {
            validate();
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static string Text(MixerOptions options) => options.ToString();

    private void ShouldBeKeptOrRefused(LanguageModelConfig config, params PropertyInfo[] changed)
    {
        string because =
            string.Join(", ", changed.Select(property => $"{property.DeclaringType!.Name}.{property.Name}"));
        config.Validate();
        float[] logits;
        try
        {
            logits = _folder.Save(config);
        }
        catch (NotSupportedException e)
        {
            // Neither format has layers of S4D, whatever their options.
            IEnumerable<string> names = changed.Select(property => property.Name).Concat(
                config.Layers.OfType<S4dMixerOptions>().Select(layer => layer.GetType().Name));
            names.Any(name => e.Message.Contains(name, StringComparison.Ordinal))
                .Should().BeTrue($"\"{e.Message}\" should name {because}");
            return;
        }

        using MambaLanguageModel loaded = _folder.Load();
        if (changed.Any(property => property.Name == nameof(Mamba2MixerOptions.ChunkLength)))
        {
            _folder.Logits(loaded).ShouldBeClose(logits, 1e-5, because); // sums in another order
        }
        else
        {
            _folder.Logits(loaded).ShouldHaveTheBitsOf(logits, because);
        }

        foreach (PropertyInfo property in changed.Where(property => !_ofTheStart.Contains(property.Name)))
        {
            // The last layer has the changed option; in hybrids the first does not.
            bool ofModel = property.DeclaringType == typeof(LanguageModelConfig);
            object? expected = property.GetValue(ofModel ? config : config.Layers[^1]);
            object? actual = property.GetValue(ofModel ? loaded.Config : loaded.Config.Layers[^1]);
            if (property.Name == nameof(LanguageModelConfig.Layers))
            {
                // As text, because a size that is set to its default is another record, but the same size.
                loaded.Config.Layers.Select(Text).Should().Equal(config.Layers.Select(Text), because);
            }
            else if (expected is IEnumerable list)
            {
                actual.Should().BeEquivalentTo(list, because);
            }
            else
            {
                actual.Should().Be(expected, because);
            }
        }
    }
}
