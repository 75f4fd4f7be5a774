using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Mamba.Checkpoints;

namespace Mamba.Models.Gguf;

/// <summary>Gives some rows of a tensor that is being written, as the file has them.</summary>
/// <param name="row">The first row.</param>
/// <param name="target">Receives the bytes of whole rows.</param>
internal delegate void GgufRowBytes(long row, Span<byte> target);

/// <summary>
/// Writes a GGUF file, version 3: keys and tensors are announced, then written by <see cref="Save"/>.
/// </summary>
/// <remarks>
/// llama.cpp wants integers of 32 bits, and tensors in the order of their list without gaps. Absent values are not
/// written. Writing takes memory for some rows, not for the model.
/// </remarks>
internal sealed class GgufWriter
{
    private const int PieceBytes = 1 << 20;

    private readonly ArrayBufferWriter<byte> _keys = new();
    private readonly List<(string Name, GgufType Type, long[] Shape, GgufRowBytes Rows)> _tensors = [];
    private long _keyCount;

    public void Add(string key, string? value)
    {
        if (value is not null)
        {
            Begin(key, GgufValueType.Text);
            Write(value);
        }
    }

    public void AddUInt32(string key, int? value)
    {
        if (value is { } integer)
        {
            Begin(key, GgufValueType.UInt32);
            Write(integer);
        }
    }

    public void Add(string key, float value)
    {
        Begin(key, GgufValueType.Float32);
        Write(BitConverter.SingleToInt32Bits(value));
    }

    public void Add(string key, bool? value)
    {
        if (value is { } flag)
        {
            Begin(key, GgufValueType.Bool);
            _keys.Write([flag ? (byte)1 : (byte)0]);
        }
    }

    public void Add(string key, IReadOnlyList<string>? values)
    {
        if (values is not null)
        {
            Begin(key, GgufValueType.Text, values.Count);
            foreach (string value in values)
            {
                Write(value);
            }
        }
    }

    public void Add(string key, IReadOnlyList<int>? values)
    {
        if (values is not null)
        {
            Begin(key, GgufValueType.Int32, values.Count);
            foreach (int value in values)
            {
                Write(value);
            }
        }
    }

    public void Add(string key, IReadOnlyList<float>? values)
    {
        if (values is not null)
        {
            Begin(key, GgufValueType.Float32, values.Count);
            foreach (float value in values)
            {
                Write(BitConverter.SingleToInt32Bits(value));
            }
        }
    }

    /// <summary>Announces a tensor.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">Its type.</param>
    /// <param name="shape">Its sizes, the last axis fastest.</param>
    /// <param name="rows">Gives its rows.</param>
    public void Add(string name, GgufType type, long[] shape, GgufRowBytes rows) =>
        _tensors.Add((name, type, shape, rows));

    /// <summary>Writes the file beside the target and renames it, so that no half-written file is ever seen.</summary>
    /// <param name="path">The file to make or replace.</param>
    public void Save(string path)
    {
        byte[] header = Header(out long dataLength);
        AtomicFile.Write(path, header.Length + dataLength, stream =>
        {
            stream.Write(header);
            byte[] piece = [];
            foreach ((_, GgufType type, long[] shape, GgufRowBytes rows) in _tensors)
            {
                (int elements, int bytes) = type.Block();
                long rowBytes = shape[^1] / elements * bytes, count = Count(shape) / shape[^1];
                int atOnce = (int)Math.Max(PieceBytes / rowBytes, 1);
                if (piece.Length < atOnce * rowBytes)
                {
                    piece = new byte[atOnce * rowBytes];
                }

                for (long row = 0; row < count; row += atOnce)
                {
                    Span<byte> target = piece.AsSpan(0, (int)(Math.Min(atOnce, count - row) * rowBytes));
                    rows(row, target);
                    stream.Write(target);
                }

                stream.Write(new byte[Padding(count * rowBytes)]);
            }
        });
    }

    /// <summary>Writes a file with all keys and tensors; the data are zeros, a hole in the file if possible.</summary>
    public void SaveWithoutData(string path)
    {
        byte[] header = Header(out long dataLength);
        using FileStream stream = new(path, FileMode.CreateNew, FileAccess.Write);
        stream.Write(header);
        stream.SetLength(header.Length + dataLength);
    }

    private byte[] Header(out long dataLength)
    {
        ArrayBufferWriter<byte> header = new();
        header.Write("GGUF"u8);
        Write(header, 3);
        Write(header, (long)_tensors.Count);
        Write(header, _keyCount);
        header.Write(_keys.WrittenSpan);
        dataLength = 0;
        foreach ((string name, GgufType type, long[] shape, _) in _tensors)
        {
            Write(header, name);
            Write(header, shape.Length);
            for (int i = shape.Length - 1; i >= 0; i--)
            {
                Write(header, shape[i]);
            }

            Write(header, (int)type);
            Write(header, dataLength);
            (int elements, int bytes) = type.Block();
            long length = Count(shape) / elements * bytes;
            dataLength += length + Padding(length);
        }

        header.Write(new byte[Padding(header.WrittenCount)]);
        return header.WrittenSpan.ToArray();
    }

    private static long Count(long[] shape) => shape.Aggregate(1L, (count, size) => checked(count * size));

    private static int Padding(long length) => (int)(-length & (GgufHeader.DefaultAlignment - 1));

    private void Begin(string key, GgufValueType type, int count = -1)
    {
        Write(key);
        if (count >= 0)
        {
            Write((int)GgufValueType.List);
        }

        Write((int)type);
        if (count >= 0)
        {
            Write(_keys, (long)count);
        }

        _keyCount++;
    }

    private void Write(int value) => Write(_keys, value);

    private void Write(string value) => Write(_keys, value);

    private static void Write(ArrayBufferWriter<byte> target, string value)
    {
        Write(target, (long)Encoding.UTF8.GetByteCount(value));
        Encoding.UTF8.GetBytes(value, target);
    }

    private static void Write(ArrayBufferWriter<byte> target, int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target.GetSpan(sizeof(int)), value);
        target.Advance(sizeof(int));
    }

    private static void Write(ArrayBufferWriter<byte> target, long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(target.GetSpan(sizeof(long)), value);
        target.Advance(sizeof(long));
    }
}
