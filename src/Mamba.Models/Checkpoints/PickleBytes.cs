using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace Mamba.Models.Checkpoints;

/// <summary>The bytes of a pickle: opcodes and operands. Every length is checked against the bytes left.</summary>
internal sealed class PickleBytes(byte[] bytes)
{
    private const int MaxProtocol = 5;

    /// <summary>The next byte to read.</summary>
    public int Position { get; private set; }

    public byte U8() => Take(1)[0];

    public ushort U16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public int I32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    public uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong U64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public double F64() => BinaryPrimitives.ReadDoubleBigEndian(Take(8));

    /// <summary>Reads and checks the protocol version.</summary>
    public void Protocol()
    {
        byte protocol = U8();
        if (protocol > MaxProtocol)
        {
            throw new InvalidDataException($"expected a protocol up to {MaxProtocol}; found {protocol}.");
        }
    }

    /// <summary>A number in two's complement of any length; rejects more than 64 bits.</summary>
    public long Long()
    {
        byte length = U8();
        if (length > sizeof(long))
        {
            throw new InvalidDataException($"expected an integer of up to {sizeof(long)} bytes; found {length}.");
        }

        Span<byte> whole = stackalloc byte[sizeof(long)];
        ReadOnlySpan<byte> taken = Take(length);
        whole.Fill(length > 0 && taken[^1] >= 0x80 ? (byte)0xff : (byte)0);
        taken.CopyTo(whole);
        return BinaryPrimitives.ReadInt64LittleEndian(whole);
    }

    public string Text(ulong length)
    {
        ReadOnlySpan<byte> text = Take(length);
        return Utf8.IsValid(text)
            ? Encoding.UTF8.GetString(text)
            : throw new InvalidDataException("expected text in UTF-8; found other bytes.");
    }

    public string Line()
    {
        int length = bytes.AsSpan(Position).IndexOf((byte)'\n');
        if (length < 0)
        {
            throw new InvalidDataException("expected the end of a line; found the end of the pickle.");
        }

        string line = Text((ulong)length);
        Take(1);
        return line;
    }

    public void RequireLeft(ulong length)
    {
        if (length > (ulong)(bytes.Length - Position))
        {
            throw new InvalidDataException($"expected {length} more bytes; found {bytes.Length - Position}.");
        }
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        RequireLeft(length);
        ReadOnlySpan<byte> taken = bytes.AsSpan(Position, (int)length);
        Position += (int)length;
        return taken;
    }
}
