using System.Text;
using Mamba.Checkpoints;
using Mamba.Models.Checkpoints;

namespace Mamba.Tests.Checkpoints;

public sealed class ShardedSafetensorsTests : IDisposable
{
    private const string Index = "model.safetensors.index.json";

    private readonly TemporaryFolder _folder = new();

    public ShardedSafetensorsTests()
    {
        Save("one.safetensors", ("a", [1, 2]), ("b", [3]));
        Save("two.safetensors", ("c", [4, 5, 6]), ("unlisted", [7]));
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Tensors_come_from_the_files_that_the_index_names()
    {
        using ShardedSafetensors source = Open(
            """
            {"metadata":{"total_size":24},
             "weight_map":{"a":"one.safetensors","c":"two.safetensors","b":"one.safetensors"}}
            """);

        float[] a = new float[2], end = new float[2];
        source.Read("a", a);
        source.ReadRange("c", 1, end);

        source.Tensors.Keys.Should().BeEquivalentTo("a", "b", "c");
        source.Tensors["c"].Shape.ToArray().Should().Equal(3);
        source.Path.Should().EndWith(Index);
        a.Should().Equal(1, 2);
        end.Should().Equal(5, 6);
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"three.safetensors"}}""", "*\"a\"*three.safetensors*no such file*")]
    [InlineData("""{"weight_map":{"c":"one.safetensors"}}""", "*\"c\"*one.safetensors*none of that name*")]
    [InlineData("""{"weight_map":{"a":"../one.safetensors"}}""", "*\"a\"*same folder*\"../one.safetensors\"*")]
    [InlineData("""{"weight_map":{"a":"..\\one.safetensors"}}""", "*\"a\"*same folder*one.safetensors*")]
    [InlineData("""{"weight_map":{"a":"/etc/passwd"}}""", "*\"a\"*same folder*\"/etc/passwd\"*")]
    [InlineData("""{"weight_map":{"a":"C:one.safetensors"}}""", "*\"a\"*same folder*\"C:one.safetensors\"*")]
    [InlineData("""{"weight_map":{"a":"one.safetensors\u0000"}}""", "*\"a\"*same folder*")]
    [InlineData("""{"weight_map":{"a":".."}}""", "*\"a\"*same folder*\"..\"*")]
    [InlineData("""{"weight_map":{"a":""}}""", "*\"a\"*same folder*\"\"*")]
    [InlineData("""{"weight_map":{"a":null}}""", "*\"weight_map.a\": expected text; found null*")]
    [InlineData("""{"weight_map":{"a":5}}""", "*\"weight_map.a\": expected text; found 5*")]
    [InlineData("""{"weight_map":[1]}""", "*\"weight_map\": expected an object; found ?1].")]
    [InlineData("""{"metadata":{}}""", "*\"weight_map\": expected an object; found nothing of that name*")]
    [InlineData("""[]""", "*expected a JSON object; found []*")]
    [InlineData("""{"weight_map":{"a":"one.safetensors","a":"two.safetensors"}}""", "*JSON object*'a'*")]
    [InlineData("""{"weight_map":""", "*JSON object*")]
    [InlineData("""{"weight_map":{"a":"\ud800"}}""", "*half a surrogate pair*")]
    public void A_wrong_index_is_refused(string index, string message)
    {
        Action open = () => Open(index).Dispose();

        open.Should().Throw<InvalidDataException>().WithMessage(message).WithMessage($"*{Index}*");
        using FileStream free = new(_folder["one.safetensors"], FileMode.Open, FileAccess.ReadWrite, FileShare.None);
    }

    [Fact]
    public void A_damaged_shard_is_refused_and_the_others_are_closed()
    {
        _folder.Write("two.safetensors", [1, 2, 3]);

        Action open = () => Open("""{"weight_map":{"a":"one.safetensors","c":"two.safetensors"}}""");

        open.Should().Throw<InvalidDataException>().WithMessage("*two.safetensors*");
        using FileStream free = new(_folder["one.safetensors"], FileMode.Open, FileAccess.ReadWrite, FileShare.None);
    }

    [Fact]
    public void A_missing_tensor_is_named()
    {
        using ShardedSafetensors source = Open("""{"weight_map":{"a":"one.safetensors"}}""");

        Action read = () => source.Read("unlisted", new float[1]);

        read.Should().Throw<InvalidDataException>().WithMessage($"*{Index}*\"unlisted\"*");
    }

    private ShardedSafetensors Open(string index) =>
        ShardedSafetensors.Open(_folder.Write(Index, Encoding.UTF8.GetBytes(index)));

    private void Save(string name, params (string Name, float[] Values)[] tensors)
    {
        SafetensorsWriter writer = new();
        foreach ((string tensor, float[] values) in tensors)
        {
            writer.Add(tensor, ElementType.F32, [values.Length], values);
        }

        writer.Save(_folder[name]);
    }
}
