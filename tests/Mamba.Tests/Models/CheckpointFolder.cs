using System.Text.RegularExpressions;
using Mamba.Checkpoints;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Models;

/// <summary>A folder with a saved model, whose files can be changed, and a device to load it on.</summary>
internal sealed class CheckpointFolder : IDisposable
{
    public static readonly int[] Ids = [1, 5, 2, 9, 3, 3, 7];

    /// <summary>A model for each format and kind of layer.</summary>
    public static readonly IReadOnlyDictionary<string, LanguageModelConfig> Formats =
        new Dictionary<string, LanguageModelConfig>
        {
            ["mamba"] = Of(new MambaMixerOptions { ModelDim = 8, StateDim = 4 }),
            ["falcon"] = Of(new MambaMixerOptions { ModelDim = 8, StateDim = 4, ParameterNormEpsilon = 1e-6f }),
            ["mamba2"] = Of(new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4 }),
            ["original"] = new()
            {
                VocabularySize = 11,
                MlpDim = 128,
                Layers =
                [
                    new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4 },
                    new AttentionMixerOptions { ModelDim = 8, Heads = 2, HeadDim = 6, RotaryDim = 4, ConvWidth = 4 },
                ],
            },
            ["original mamba1"] = Of(new MambaMixerOptions { ModelDim = 8, LearnableInitialState = true }),
        };

    private readonly TemporaryFolder _folder = new(inMemory: true);

    public Device Device { get; } = TestDevice.Open();

    public string Path => _folder.Path;

    /// <summary>The path of a file in the folder.</summary>
    public string this[string name] => _folder[name];

    public string Config
    {
        get => File.ReadAllText(this["config.json"]);
        set => File.WriteAllText(this["config.json"], value);
    }

    /// <summary>Layers of one kind.</summary>
    public static LanguageModelConfig Of(MixerOptions options) =>
        new() { VocabularySize = 11, Layers = [options, options] };

    /// <summary>Saves a model of one of <see cref="Formats"/>.</summary>
    public void Save(string format) => Save(Formats[format]);

    /// <summary>Saves a model whose parameters are all random, and gives its logits.</summary>
    public float[] Save(LanguageModelConfig config, ElementType type = ElementType.F32)
    {
        using MambaLanguageModel model = new(Device, config, new Random(1));
        foreach (((string _, Parameter parameter), int i) in model.Parameters.Select((named, i) => (named, i)))
        {
            float[] values = Samples.Normal(i, (int)parameter.Value.Shape.Count, 0.2);
            parameter.Value.CopyFrom([.. parameter.Value.ToArray().Select((value, j) => value + values[j])]);
        }

        model.Save(Path, type);
        return Logits(model);
    }

    public MambaLanguageModel Load(bool? ungroupedNorm = null, Precision precision = Precision.Float32) =>
        MambaLanguageModel.Load(Path, Device, ungroupedNorm, precision);

    /// <summary>The configuration as it loads.</summary>
    public LanguageModelConfig LoadedConfig()
    {
        using MambaLanguageModel model = Load();
        return model.Config;
    }

    public float[] LoadedLogits()
    {
        using MambaLanguageModel model = Load();
        return Logits(model);
    }

    public float[] Logits(MambaLanguageModel model)
    {
        using DeviceScope scope = Device.Scope();
        return model.Forward(Ids).ToArray();
    }

    /// <summary>Sets a value of config.json, of a key at any depth that is there or, at the top, is not.</summary>
    public void Set(string key, string json)
    {
        Regex pattern = new($"\"{key}\": (\\[[^]]*\\]|[^,\\n]*)");
        string pair = $"\"{key}\": {json}";
        Config = pattern.IsMatch(Config) ? pattern.Replace(Config, _ => pair, 1) : "{" + pair + "," + Config[1..];
    }

    /// <summary>Renames tensors, without changing anything else.</summary>
    public void Rename(Func<string, string> rename)
    {
        SafetensorsWriter writer = new();
        using (SafetensorsFile source = SafetensorsFile.Open(this["model.safetensors"]))
        {
            foreach (TensorInfo info in source.Tensors.Values)
            {
                float[] values = new float[info.Count];
                source.Read(info.Name, values);
                writer.Add(rename(info.Name), ElementType.F32, info.Shape, values);
            }
        }

        writer.Save(this["model.safetensors"]);
    }

    /// <summary>Asserts that loading fails with a message, and takes nothing with it of the device's memory.</summary>
    public void ShouldRefuse<TException>(string message, string because = "", Precision precision = Precision.Float32)
        where TException : Exception
    {
        long before = Device.AllocatedBytes;

        Action load = () => Load(precision: precision).Dispose();

        load.Should().Throw<TException>(because).WithMessage(message, because);
        Device.AllocatedBytes.Should().Be(before, because);
    }

    public void Dispose()
    {
        Device.Dispose();
        _folder.Dispose();
    }
}
