using Mamba.Text.Tokenizing;

namespace Mamba.Text.Files;

/// <summary>The fields of one message of Protocol Buffers, one after another.</summary>
internal ref struct ProtobufReader(ReadOnlySpan<byte> message)
{
    private readonly ReadOnlySpan<byte> _message = message;
    private ReadOnlySpan<byte> _value;
    private int _at, _wire;
    private ulong _integer;

    /// <summary>The number of the field.</summary>
    public int Number { get; private set; }

    /// <summary>Reads the next field; false at the end.</summary>
    public bool Next()
    {
        if (_at == _message.Length)
        {
            return false;
        }

        ulong key = Varint();
        Number = (int)Math.Min(key >> 3, int.MaxValue);
        _wire = (int)(key & 7);
        switch (_wire)
        {
            case 0:
                _integer = Varint();
                break;
            case 1:
                Take(8);
                break;
            case 2:
                ulong length = Varint();
                Take((int)Math.Min(length, int.MaxValue));
                break;
            case 5:
                Take(4);
                break;
            default:
                throw Unsupported.Data($"the SentencePiece file has a field of the wire type {_wire} at {_at}.");
        }

        return true;
    }

    /// <summary>The field as a message.</summary>
    public readonly ProtobufReader Message() => new(Bytes());

    /// <summary>The field's bytes.</summary>
    public readonly ReadOnlySpan<byte> Bytes() => Of(2);

    /// <summary>The field's four bytes.</summary>
    public readonly ReadOnlySpan<byte> Fixed32() => Of(5);

    /// <summary>The field as an integer; negative ones have ten bytes in the file.</summary>
    public readonly int Integer()
    {
        _ = Of(0);
        return unchecked((int)_integer);
    }

    private readonly ReadOnlySpan<byte> Of(int wire) => _wire == wire
        ? _value
        : throw Unsupported.Data($"field {Number} of a SentencePiece file has the wire type {_wire}, not {wire}.");

    private void Take(int length)
    {
        if (length > _message.Length - _at)
        {
            throw Unsupported.Data(
                $"a field of {length} bytes at {_at} of a SentencePiece message does not end in it.");
        }

        _value = _message.Slice(_at, length);
        _at += length;
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64 && _at < _message.Length; shift += 7)
        {
            byte next = _message[_at++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw Unsupported.Data($"a number at {_at} of a SentencePiece message does not end.");
    }
}
