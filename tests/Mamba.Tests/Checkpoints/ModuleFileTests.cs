using Mamba.Checkpoints;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Tests.Checkpoints;

public sealed class ModuleFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string File => _folder["module.safetensors"];

    [Fact]
    public void What_is_saved_is_loaded_bit_by_bit_with_buffers_and_metadata()
    {
        using Device device = TestDevice.Open();
        using Counter saved = new(device, new Random(1)), loaded = new(device, null);
        saved.Count.CopyFrom([5f]);

        saved.Save(File, new Dictionary<string, string> { ["step"] = "7" });
        loaded.Load(File).Should().BeEmpty();

        Values(loaded).Should().Equal(Values(saved));
        loaded.Count.ToArray().Should().Equal(5f);
        using SafetensorsFile file = SafetensorsFile.Open(File);
        file.Metadata["step"].Should().Be("7");
        file.Tensors.Keys.Should().BeEquivalentTo("mixer.weight", "mixer.bias", "count");
    }

    [Fact]
    public void A_file_that_does_not_fit_is_refused_by_name_and_changes_nothing()
    {
        using Device device = TestDevice.Open();
        using Counter counter = new(device, new Random(1));
        using Linear linear = new(device, 3, 3, true, new Random(2)), plain = new(device, 3, 3, false, new Random(3));
        using Linear wide = new(device, 4, 3, true, new Random(2));
        linear.Save(File);
        float[] before = Values(counter), plainBefore = plain.Weight.Value.ToArray();

        Refused(() => counter.Load(File), "*expected a tensor \"mixer.weight\"*");
        Refused(() => counter.Load(File, Inner), "*expected a tensor \"count\"*");
        Refused(() => plain.Load(File), "*this Linear has no parameter or buffer for the tensor \"bias\"*");
        Refused(() => wide.Load(File), "*\"weight\" has shape [3, 3]; expected [3, 4] as \"weight\" of this Linear*");
        Values(counter).Should().Equal(before);
        plain.Weight.Value.ToArray().Should().Equal(plainBefore);
    }

    [Fact]
    public void Other_names_and_missing_tensors_are_allowed_where_they_are_asked_for()
    {
        using Device device = TestDevice.Open();
        using Counter counter = new(device, new Random(1));
        using Linear linear = new(device, 3, 3, true, new Random(2)), plain = new(device, 3, 3, false, new Random(3));
        linear.Save(File);

        counter.Load(File, Inner, strict: false).Should().Equal("count");
        plain.Load(File, strict: false).Should().BeEmpty();

        counter.Linear.Weight.Value.ToArray().Should().Equal(linear.Weight.Value.ToArray());
        counter.Linear.Bias!.Value.ToArray().Should().Equal(linear.Bias!.Value.ToArray());
        plain.Weight.Value.ToArray().Should().Equal(linear.Weight.Value.ToArray());
    }

    [Fact]
    public void A_source_that_fails_half_way_changes_nothing()
    {
        using Device device = TestDevice.Open();
        using Linear saved = new(device, 3, 3, true, new Random(1)), loaded = new(device, 3, 3, true, new Random(2));
        saved.Save(File);
        float[] before = Values(loaded);
        using Broken source = new(SafetensorsFile.Open(File));

        ((Action)(() => loaded.Load(source))).Should().Throw<IOException>();

        Values(loaded).Should().Equal(before);
    }

    [Fact]
    public void Weights_that_were_never_set_or_are_narrow_are_refused_by_name()
    {
        using Device device = TestDevice.Open();
        using Linear unset = new(device, 3, 3, false, null);
        using Linear narrow = new(device, 3, 3, false, new Random(1));

        ((Action)(() => unset.Save(File))).Should().Throw<InvalidOperationException>()
            .WithMessage("\"weight\"*never set*");
        System.IO.File.Exists(File).Should().BeFalse();
        narrow.Save(File);
        Assert.SkipWhen(device is not Mamba.Cpu.CpuDevice, "narrow weights are of the CPU");
        narrow.Narrow();
        ((Action)(() => narrow.Load(File))).Should().Throw<InvalidOperationException>()
            .WithMessage("\"weight\" is stored as BFloat16*Narrow(Precision.Float32)*");
    }

    public void Dispose() => _folder.Dispose();

    private static string Inner(string name) => name.Replace("mixer.", "", StringComparison.Ordinal);

    private static float[] Values(Module module) =>
        [.. module.Parameters.SelectMany(named => named.Parameter.Value.ToArray())];

    private static void Refused(Action action, string message) =>
        action.Should().Throw<InvalidDataException>().WithMessage(message);

    private sealed class Counter : Module
    {
        public Counter(Device device, Random? random)
            : base(device)
        {
            Linear = AddModule("mixer", new Linear(device, 3, 3, true, random));
            Count = AddBuffer("count", [1]);
        }

        public Linear Linear { get; }

        public DeviceArray Count { get; }
    }

    /// <summary>A file whose last tensor cannot be read.</summary>
    private sealed class Broken(SafetensorsFile file) : ITensorSource
    {
        public string Path => file.Path;

        public IReadOnlyDictionary<string, TensorInfo> Tensors => file.Tensors;

        public void Read(string name, Span<float> target) => ReadRange(name, 0, target);

        public void ReadRange(string name, long start, Span<float> target)
        {
            if (name == "bias")
            {
                throw new IOException("The disk is gone.");
            }

            file.ReadRange(name, start, target);
        }

        public void Dispose() => file.Dispose();
    }
}
