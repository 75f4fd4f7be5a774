using Mamba.Checkpoints;
using Mamba.Devices;
using Mamba.Models;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Models;

/// <summary>A folder of saved adapters, which can be changed.</summary>
internal sealed class AdapterFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new(inMemory: true);

    public Device Device { get; } = TestDevice.Open();

    public string Path => _folder.Path;

    /// <summary>The path of a file in the folder.</summary>
    public string this[string name] => _folder[name];

    public void Dispose()
    {
        Device.Dispose();
        _folder.Dispose();
    }

    /// <summary>Saves what has been tuned of <see cref="TunedModels"/>.</summary>
    public void Save()
    {
        using MambaLanguageModel model = TunedModels.Create(Device);
        model.SaveAdapters(Path);
    }

    public void EditConfig(string from, string to)
    {
        string path = this["adapter_config.json"], before = File.ReadAllText(path);
        string after = before.Replace(from, to, StringComparison.Ordinal);
        after.Should().NotBe(before);
        File.WriteAllText(path, after);
    }

    /// <summary>Saves adapters of which some tensors are removed, added or given another shape.</summary>
    public void Rewrite(Action<Dictionary<string, long[]>> change)
    {
        Save();
        Dictionary<string, long[]> shapes;
        using (SafetensorsFile file = SafetensorsFile.Open(this["adapter_model.safetensors"]))
        {
            shapes = file.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.Shape.ToArray());
        }

        change(shapes);
        SafetensorsWriter writer = new();
        foreach ((string name, long[] shape) in shapes)
        {
            writer.Add(name, ElementType.F32, shape, new float[shape.Aggregate(1L, (count, size) => count * size)]);
        }

        writer.Save(this["adapter_model.safetensors"]);
    }

    /// <summary>Asserts that loading fails with a message and leaves the model as it was.</summary>
    public void ShouldRefuse<TException>(string message)
        where TException : Exception
    {
        using MambaLanguageModel model = TunedModels.Base(Device);
        float[] before = model.Forward(TunedModels.Ids).ToArray();
        string[] names = TunedModels.TrainableOf(model);

        Action load = () => model.LoadAdapters(Path);

        load.Should().Throw<TException>().WithMessage(message);
        model.Forward(TunedModels.Ids).ToArray().ShouldHaveTheBitsOf(before);
        TunedModels.TrainableOf(model).Should().Equal(names);
        model.Parameters.Should().HaveCount(names.Length);
    }
}
