using System.Buffers.Binary;
using System.Text;

namespace Mamba.Tests.Checkpoints;

/// <summary>Writes pickles, instruction by instruction.</summary>
internal sealed class PickleBuilder
{
    private readonly List<byte> _bytes = [0x80, 2];

    public PickleBuilder Raw(params ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public PickleBuilder Op(char opcode) => Raw((byte)opcode);

    public PickleBuilder Global(string module, string name) => Raw(Encoding.UTF8.GetBytes($"c{module}\n{name}\n"));

    public PickleBuilder Text(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text), length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, utf8.Length);
        return Op('X').Raw(length).Raw(utf8);
    }

    /// <summary>An integer of 64 bits (LONG1).</summary>
    public PickleBuilder Integer(long value) => Raw(0x8a, 8).Raw(BitConverter.GetBytes(value));

    public PickleBuilder Integers(params long[] values)
    {
        Op('(');
        foreach (long value in values)
        {
            Integer(value);
        }

        return Op('t');
    }

    /// <summary>An ordered dictionary, ready for its items.</summary>
    public PickleBuilder Begin() => Global("collections", "OrderedDict").Op(')').Op('R').Op('(');

    public PickleBuilder Storage(string type, string key, long count, string module = "torch") =>
        Op('(').Text("storage").Global(module, type).Text(key).Text("cpu").Integer(count).Op('t').Op('Q');

    /// <summary>A tensor over the storage that <paramref name="storage"/> pushes.</summary>
    public PickleBuilder Tensor(Action<PickleBuilder> storage, long offset, long[] sizes, long[] strides)
    {
        Global("torch._utils", "_rebuild_tensor_v2").Op('(');
        storage(this);
        return Integer(offset).Integers(sizes).Integers(strides).Raw(0x89)
            .Global("collections", "OrderedDict").Op(')').Op('R').Op('t').Op('R');
    }

    /// <summary>Ends the dictionary and the pickle.</summary>
    public byte[] End() => Op('u').Bytes();

    /// <summary>Ends the pickle.</summary>
    public byte[] Bytes() => [.. _bytes, (byte)'.'];
}
