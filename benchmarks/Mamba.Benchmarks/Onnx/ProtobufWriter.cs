using System.Buffers.Binary;
using System.Text;

namespace Mamba.Benchmarks.Onnx;

/// <summary>Writes a protocol buffers message, with the features that small ONNX models need.</summary>
/// <remarks>
/// A message is a sequence of fields, each a key <c>number·8 + kind</c> and a value. Kinds: 0 an integer in groups of
/// seven bits, lowest first; 2 a length and that many bytes; 5 four bytes. See
/// <see href="https://protobuf.dev/programming-guides/encoding/"/>.
/// </remarks>
internal sealed class ProtobufWriter
{
    private const int Varint = 0, Bytes = 2, FourBytes = 5;

    private readonly List<byte> _bytes = [];

    /// <summary>The message so far.</summary>
    public byte[] ToArray() => [.. _bytes];

    /// <summary>Writes an integer or an enumeration value.</summary>
    public void Write(int field, long value)
    {
        Key(field, Varint);
        Unsigned((ulong)value);
    }

    /// <summary>Writes a single-precision number.</summary>
    public void Write(int field, float value)
    {
        Key(field, FourBytes);
        Span<byte> bytes = stackalloc byte[sizeof(float)];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        _bytes.AddRange(bytes);
    }

    /// <summary>Writes a string.</summary>
    public void Write(int field, string value) => Write(field, Encoding.UTF8.GetBytes(value));

    /// <summary>Writes a nested message.</summary>
    public void Write(int field, Action<ProtobufWriter> fill)
    {
        ProtobufWriter inner = new();
        fill(inner);
        Write(field, inner.ToArray());
    }

    private void Write(int field, ReadOnlySpan<byte> value)
    {
        Key(field, Bytes);
        Unsigned((ulong)value.Length);
        _bytes.AddRange(value);
    }

    private void Key(int field, int kind) => Unsigned(((ulong)field << 3) | (uint)kind);

    private void Unsigned(ulong value)
    {
        for (; value > 0x7F; value >>= 7)
        {
            _bytes.Add((byte)(value | 0x80));
        }

        _bytes.Add((byte)value);
    }
}
