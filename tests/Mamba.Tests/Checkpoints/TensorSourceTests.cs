using Mamba.Checkpoints;
using Mamba.Models.Checkpoints;
using static Mamba.Tests.Checkpoints.SafetensorsBytes;

namespace Mamba.Tests.Checkpoints;

public sealed class TensorSourceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_folder_gives_safetensors_before_the_index_and_the_index_before_PyTorch()
    {
        byte[] pickle = new PickleBuilder().Begin()
            .Text("x").Tensor(p => p.Storage("FloatStorage", "0", 1), 0, [1], [1]).End();
        _folder.Write("pytorch_model.bin", TorchArchive.Make(pickle, new() { ["0"] = Bytes(1f) }));
        First().Should().Be(1);

        _folder.Write("shard.safetensors", Make("{" + Tensor("x", "F32", "[1]", 0, 4) + "}", Bytes(2f)));
        _folder.Write("model.safetensors.index.json", """{"weight_map":{"x":"shard.safetensors"}}"""u8.ToArray());
        First().Should().Be(2);

        _folder.Write("model.safetensors", Make("{" + Tensor("x", "F32", "[1]", 0, 4) + "}", Bytes(3f)));
        First().Should().Be(3);
    }

    [Fact]
    public void A_file_may_be_named_itself()
    {
        string path = _folder.Write("other.safetensors", Make("{" + Tensor("x", "F32", "[1]", 0, 4) + "}", Bytes(2f)));

        using ITensorSource source = TensorSource.Open(path);

        source.Should().BeOfType<SafetensorsFile>();
        source.Path.Should().Be(path);
    }

    [Fact]
    public void An_empty_folder_is_refused_by_what_was_looked_for()
    {
        Action open = () => TensorSource.Open(_folder.Path);

        open.Should().Throw<FileNotFoundException>()
            .WithMessage("*model.safetensors or *or consolidated.safetensors or pytorch_model.bin*found no files*");
    }

    [Fact]
    public void A_file_that_is_not_there_is_refused_by_name()
    {
        Action open = () => TensorSource.Open(_folder["none.safetensors"]);

        open.Should().Throw<FileNotFoundException>().WithMessage("*none.safetensors*");
    }

    [Fact]
    public void A_file_of_an_unknown_kind_is_refused()
    {
        string path = _folder.Write("model.gguf", [1]);

        Action open = () => TensorSource.Open(path);

        open.Should().Throw<InvalidDataException>().WithMessage("*model.gguf*expected .safetensors*");
    }

    [Fact]
    public void Several_threads_may_read_at_once()
    {
        float[] values = Samples.Normal(1, 100_000);
        string header = "{" + Tensor("x", "F32", "[100000]", 0, 400_000) + "}";
        string path = _folder.Write("x.safetensors", Make(header, Bytes(values)));
        using ITensorSource source = TensorSource.Open(path);

        Parallel.For(0, 100, i =>
        {
            float[] part = new float[1000];
            source.ReadRange("x", i * 1000, part);
            part.ShouldHaveTheBitsOf(values[(i * 1000)..((i + 1) * 1000)]);
        });
    }

    private float First()
    {
        float[] value = new float[1];
        using ITensorSource source = TensorSource.Open(_folder.Path);
        source.Read("x", value);
        return value[0];
    }
}
