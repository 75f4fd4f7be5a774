using System.Buffers.Binary;
using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text.Json;
using Mamba.Kernels;

namespace Mamba.Checkpoints;

/// <summary>Gives some elements of a tensor that is being written.</summary>
/// <param name="start">First element asked for, counted row by row.</param>
/// <param name="target">Receives that many elements.</param>
public delegate void TensorElements(long start, Span<float> target);

/// <summary>Writes a safetensors file: tensors are announced, then asked for in pieces by <see cref="Save"/>.</summary>
/// <remarks>
/// The header is padded and wider elements come first, so every tensor is aligned. Writing takes memory for one piece
/// of a tensor, not for the model.
/// </remarks>
/// <example>
/// <code>
/// SafetensorsWriter writer = new();
/// writer.Add("weight", ElementType.F32, [2, 3], new float[6]);
/// writer.Save("weights.safetensors");
/// </code>
/// </example>
public sealed class SafetensorsWriter
{
    private const int Alignment = 8, Piece = 1 << 18;

    private readonly List<(TensorInfo Info, TensorElements Elements)> _tensors = [];
    private readonly HashSet<string> _names = [];

    /// <summary>What the file says of itself; Hugging Face's loaders expect <c>format: pt</c>.</summary>
    public IDictionary<string, string> Metadata { get; } = new Dictionary<string, string> { ["format"] = "pt" };

    /// <summary>Announces a tensor whose elements are at hand; they are read when the file is saved.</summary>
    /// <param name="name">The name, not yet used.</param>
    /// <param name="type">How to store the elements: F32, F16 or BF16.</param>
    /// <param name="shape">The sizes, the last axis fastest.</param>
    /// <param name="values">The elements, row by row.</param>
    /// <exception cref="ArgumentException">The name or type cannot be written, or the values do not fit.</exception>
    public void Add(string name, ElementType type, ReadOnlySpan<long> shape, ReadOnlyMemory<float> values)
    {
        TensorInfo info = Check(name, type, shape);
        if (info.Count != values.Length)
        {
            throw new ArgumentException(
                $"Tensor \"{name}\" is {info}: expected {info.Count} values; found {values.Length}.", nameof(values));
        }

        Announce(info, (start, target) => values.Span.Slice((int)start, target.Length).CopyTo(target));
    }

    /// <summary>Announces a tensor whose elements are asked for in pieces, in order, when the file is saved.</summary>
    /// <param name="name">The name, not yet used.</param>
    /// <param name="type">How to store the elements: F32, F16 or BF16.</param>
    /// <param name="shape">The sizes, the last axis fastest.</param>
    /// <param name="elements">Gives the elements.</param>
    /// <exception cref="ArgumentException">The name or type cannot be written.</exception>
    public void Add(string name, ElementType type, ReadOnlySpan<long> shape, TensorElements elements)
    {
        ArgumentNullException.ThrowIfNull(elements);
        Announce(Check(name, type, shape), elements);
    }

    /// <summary>Writes the file beside the target and renames it, so that no half-written file is ever seen.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <exception cref="InvalidOperationException">A value is too large for the type to store it as.</exception>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        (TensorInfo Info, TensorElements Elements)[] ordered =
            [.. _tensors.OrderByDescending(tensor => tensor.Info.Type.Size())];
        byte[] header = Header(ordered.Select(tensor => tensor.Info));
        long length = header.Length + ordered.Sum(tensor => tensor.Info.ByteLength);
        AtomicFile.Write(path, length, stream =>
        {
            stream.Write(header);
            float[] wide = ArrayPool<float>.Shared.Rent(Piece);
            ushort[] narrow = ArrayPool<ushort>.Shared.Rent(Piece);
            foreach ((TensorInfo info, TensorElements elements) in ordered)
            {
                for (long start = 0; start < info.Count; start += Piece)
                {
                    Span<float> piece = wide.AsSpan(0, (int)Math.Min(Piece, info.Count - start));
                    elements(start, piece);
                    stream.Write(Encode(info, piece, narrow));
                }
            }

            ArrayPool<float>.Shared.Return(wide);
            ArrayPool<ushort>.Shared.Return(narrow);
        });
    }

    private TensorInfo Check(string name, ElementType type, ReadOnlySpan<long> shape)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (name == SafetensorsHeader.MetadataName || _names.Contains(name))
        {
            throw new ArgumentException($"A tensor cannot be called \"{name}\": the name is taken.", nameof(name));
        }

        return type is ElementType.F32 or ElementType.F16 or ElementType.BF16
            ? new(name, type, shape.ToArray(), offset: 0)
            : throw new ArgumentException($"Tensor \"{name}\": expected F32, F16 or BF16; found {type}.", nameof(type));
    }

    private void Announce(TensorInfo info, TensorElements elements)
    {
        _names.Add(info.Name);
        _tensors.Add((info, elements));
    }

    private byte[] Header(IEnumerable<TensorInfo> tensors)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer))
        {
            json.WriteStartObject();
            WriteMetadata(json);
            long offset = 0;
            foreach (TensorInfo info in tensors)
            {
                WriteTensor(json, info, offset);
                offset = checked(offset + info.ByteLength);
            }

            json.WriteEndObject();
        }

        int length = (buffer.WrittenCount + Alignment - 1) / Alignment * Alignment;
        if (length > SafetensorsHeader.MaxLength)
        {
            throw new InvalidOperationException(
                $"The header would be {length} bytes long; the format allows {SafetensorsHeader.MaxLength}.");
        }

        byte[] header = new byte[SafetensorsHeader.Prefix + length];
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)length);
        header.AsSpan(SafetensorsHeader.Prefix).Fill((byte)' ');
        buffer.WrittenSpan.CopyTo(header.AsSpan(SafetensorsHeader.Prefix));
        return header;
    }

    private void WriteMetadata(Utf8JsonWriter json)
    {
        json.WriteStartObject(SafetensorsHeader.MetadataName);
        foreach ((string key, string value) in Metadata)
        {
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    }

    private static void WriteTensor(Utf8JsonWriter json, TensorInfo info, long offset)
    {
        json.WriteStartObject(info.Name);
        json.WriteString("dtype", info.Type.ToString());
        json.WriteStartArray("shape");
        foreach (long size in info.Shape)
        {
            json.WriteNumberValue(size);
        }

        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(offset);
        json.WriteNumberValue(offset + info.ByteLength);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static ReadOnlySpan<byte> Encode(TensorInfo info, Span<float> values, Span<ushort> narrow)
    {
        if (info.Type == ElementType.F32)
        {
            return MemoryMarshal.AsBytes(values);
        }

        narrow = narrow[..values.Length];
        if (info.Type == ElementType.F16)
        {
            TensorPrimitives.ConvertToHalf(values, MemoryMarshal.Cast<ushort, Half>(narrow));
        }
        else
        {
            NarrowNumbers.ToBFloat16(values, narrow);
        }

        CheckRange(info, values, narrow);
        return MemoryMarshal.AsBytes(narrow);
    }

    /// <summary>Refuses a finite value that became infinite: a model saved so would be broken in silence.</summary>
    private static void CheckRange(TensorInfo info, ReadOnlySpan<float> values, ReadOnlySpan<ushort> narrow)
    {
        ushort infinity = (ushort)(info.Type == ElementType.F16 ? 0x7C00 : 0x7F80);
        for (int i = 0; i < values.Length; i++)
        {
            if ((narrow[i] & 0x7FFF) == infinity && float.IsFinite(values[i]))
            {
                throw new InvalidOperationException(
                    $"Tensor \"{info.Name}\": {values[i]} is too large to be stored as {info.Type}.");
            }
        }
    }
}
