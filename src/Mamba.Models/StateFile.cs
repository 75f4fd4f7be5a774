using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Models;

/// <summary>
/// The file format of a <see cref="ModelState"/>. It begins with a magic word. Then follow, as 64-bit little-endian
/// numbers, the format version, the length of the model's kind, the number of texts and their positions. Each layer has
/// its number of stored tokens, and its arrays as float32. The file ends with a SHA-256 of everything before it.
/// </summary>
/// <remarks>
/// In format 2 a layer that stores tokens has one number of them, common to all texts. Format 3 has one number per
/// text; it is written only if the numbers differ. An array that grows has as many rows per text as the text has
/// tokens.
/// </remarks>
internal static class StateFile
{
    private const string Magic = "MAMBASTATE";
    private const int CommonLengths = 2, OwnLengths = 3, Piece = 1 << 20, MaxKindLength = 1 << 20;

    /// <summary>Writes a state.</summary>
    public static void Write(ModelState state, Stream stream)
    {
        state.RequireUsable();
        using IncrementalHash checksum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] kind = Encoding.UTF8.GetBytes(state.Kind);
        Write(stream, checksum, Encoding.ASCII.GetBytes(Magic));
        bool isCommon = state.Layers.All(HasCommonLength);
        WriteNumbers(stream, checksum, isCommon ? CommonLengths : OwnLengths, kind.Length);
        Write(stream, checksum, kind);
        WriteNumbers(stream, checksum, state.Batch);
        WriteNumbers(stream, checksum, [.. state.Positions]);
        float[] piece = new float[Piece / sizeof(float)];
        foreach (LayerState layer in state.Layers)
        {
            layer.Refresh();
            int[] lengths = LengthsOf(layer);
            WriteNumbers(stream, checksum, [.. (isCommon ? [layer.Length] : lengths).Select(length => (long)length)]);
            foreach ((DeviceArray array, nint first, nint end) in PartsOf(layer, lengths))
            {
                for (nint start = first; start < end; start += piece.Length)
                {
                    Span<float> part = piece.AsSpan(0, (int)Math.Min(piece.Length, end - start));
                    array.ReadElements(start, part);
                    Write(stream, checksum, MemoryMarshal.AsBytes(part));
                }
            }
        }

        stream.Write(checksum.GetHashAndReset());
    }

    /// <summary>Validates the whole file, then overwrites a state of the same kind.</summary>
    /// <exception cref="InvalidDataException">The data violate the format, or belong to another model.</exception>
    public static void Read(ModelState state, Stream stream)
    {
        using IncrementalHash checksum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        bool isCommon = ReadHeader(state, stream, checksum) == CommonLengths;
        long[] positions = ReadNumbers(stream, checksum, state.Batch);
        if (Array.Exists(positions, position => position < 0))
        {
            throw new InvalidDataException(
                $"A saved state claims {positions.Min()} tokens of a text; expected 0 or more.");
        }

        int[][] lengths = new int[state.Layers.Count][];
        List<byte[]>[] layers = new List<byte[]>[lengths.Length];
        for (int i = 0; i < layers.Length; i++)
        {
            lengths[i] = ReadLengths(state.Layers[i], i, isCommon, stream, checksum);
            layers[i] = ReadBytes(stream, checksum, BytesOf(state.Layers[i], lengths[i]));
        }

        byte[] expected = checksum.GetHashAndReset(), found = new byte[expected.Length];
        ReadFully(stream, found);
        if (!expected.AsSpan().SequenceEqual(found))
        {
            throw new InvalidDataException("A saved state is damaged: its checksum is not that of its contents.");
        }

        using ModelState loaded = state.CreateEmpty(state.Batch);
        for (int i = 0; i < layers.Length; i++)
        {
            loaded.Layers[i].SetLengths(lengths[i]);
            Fill(loaded.Layers[i], lengths[i], layers[i]);
        }

        loaded.SetPositions(positions);
        state.CopyFrom(loaded);
    }

    /// <summary>Checks the header up to the positions, and returns the format.</summary>
    private static long ReadHeader(ModelState state, Stream stream, IncrementalHash checksum)
    {
        string magic = Encoding.ASCII.GetString(Read(stream, checksum, Magic.Length));
        if (magic != Magic)
        {
            throw new InvalidDataException($"Expected a saved state, which begins with \"{Magic}\"; found other data.");
        }

        long version = ReadNumber(stream, checksum);
        if (version is not (CommonLengths or OwnLengths))
        {
            throw new InvalidDataException(
                $"Expected a saved state of format {CommonLengths} or {OwnLengths}; found format {version}, of " +
                "another version of Mamba.");
        }

        long length = ReadNumber(stream, checksum);
        if (length is < 0 or > MaxKindLength)
        {
            throw new InvalidDataException(
                $"A saved state names its model in {length} bytes; expected at most {MaxKindLength}.");
        }

        string kind = Encoding.UTF8.GetString(Read(stream, checksum, (int)length));
        if (kind != state.Kind)
        {
            throw new InvalidDataException(
                $"The state was saved of another model: expected {state.Kind}; found {kind}.");
        }

        long batch = ReadNumber(stream, checksum);
        if (batch != state.Batch)
        {
            throw new InvalidDataException($"The saved state holds {batch} texts; expected {state.Batch}.");
        }

        return version;
    }

    private static bool HasCommonLength(LayerState layer) =>
        !layer.HoldsTokens || Array.TrueForAll(LengthsOf(layer), length => length == layer.Length);

    private static int[] LengthsOf(LayerState layer) =>
        [.. Enumerable.Range(0, layer.Batch).Select(layer.LengthOf)];

    /// <summary>
    /// The saved ranges of a layer's arrays, as first element and end. Of an array that grows, these are the valid rows
    /// of each text.
    /// </summary>
    private static IEnumerable<(DeviceArray Array, nint Start, nint End)> PartsOf(LayerState layer, int[] lengths)
    {
        for (int i = 0; i < layer.Arrays.Count; i++)
        {
            DeviceArray array = layer.Arrays[i];
            if (!layer.Grows(i))
            {
                yield return (array, 0, array.Shape.Count);
                continue;
            }

            nint perText = (nint)array.Shape[1] * array.Shape[2];
            for (int text = 0; text < lengths.Length; text++)
            {
                yield return (array, text * perText, (text * perText) + ((nint)lengths[text] * array.Shape[2]));
            }
        }
    }

    private static int[] ReadLengths(
        LayerState layer, int index, bool isCommon, Stream stream, IncrementalHash checksum)
    {
        int[] lengths = new int[layer.Batch];
        for (int i = 0; i < (isCommon ? 1 : lengths.Length); i++)
        {
            long length = ReadNumber(stream, checksum), most = layer.HoldsTokens ? int.MaxValue : 0;
            if (length < 0 || length > most)
            {
                throw new InvalidDataException(
                    $"A saved state claims {length} tokens in layer {index}; expected 0 to {most}.");
            }

            if (isCommon)
            {
                Array.Fill(lengths, (int)length);
            }
            else
            {
                lengths[i] = (int)length;
            }
        }

        return layer.HasLengths || lengths.All(length => length == lengths[0])
            ? lengths
            : throw new InvalidDataException(
                $"A saved state claims texts of {lengths.Min()} to {lengths.Max()} tokens in layer {index}, whose " +
                "texts are of one length.");
    }

    /// <summary>Bytes of all saved arrays of a layer that stores these numbers of tokens.</summary>
    private static long BytesOf(LayerState layer, int[] lengths)
    {
        Int128 elements = 0, tokens = lengths.Sum(length => (long)length);
        for (int i = 0; i < layer.Arrays.Count; i++)
        {
            Shape shape = layer.Arrays[i].Shape;
            elements += layer.Grows(i) ? tokens * shape[2] : shape.Count;
        }

        return elements <= long.MaxValue / sizeof(float)
            ? (long)elements * sizeof(float)
            : throw new InvalidDataException($"A saved state claims {tokens} tokens, more than memory can hold.");
    }

    private static void Fill(LayerState layer, int[] lengths, List<byte[]> pieces)
    {
        // The pieces of the file and the ranges of the arrays have different boundaries.
        int piece = 0, used = 0;
        foreach ((DeviceArray array, nint first, nint end) in PartsOf(layer, lengths))
        {
            for (nint start = first; start < end;)
            {
                ReadOnlySpan<float> rest = MemoryMarshal.Cast<byte, float>(pieces[piece])[used..];
                ReadOnlySpan<float> part = rest[..(int)Math.Min(rest.Length, end - start)];
                array.WriteElements(start, part);
                start += part.Length;
                (piece, used) = part.Length == rest.Length ? (piece + 1, 0) : (piece, used + part.Length);
            }
        }
    }

    private static void Write(Stream stream, IncrementalHash checksum, ReadOnlySpan<byte> bytes)
    {
        stream.Write(bytes);
        checksum.AppendData(bytes);
    }

    private static void WriteNumbers(Stream stream, IncrementalHash checksum, params ReadOnlySpan<long> numbers)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        foreach (long number in numbers)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
            Write(stream, checksum, bytes);
        }
    }

    /// <summary>
    /// Reads bytes in pieces, so that a wrong length in the file does not allocate memory beyond the actual data.
    /// </summary>
    private static List<byte[]> ReadBytes(Stream stream, IncrementalHash checksum, long count)
    {
        if (stream.CanSeek && count > stream.Length - stream.Position)
        {
            throw CutOff(count, stream.Length - stream.Position);
        }

        List<byte[]> pieces = [];
        for (long left = count; left > 0; left -= pieces[^1].Length)
        {
            pieces.Add(Read(stream, checksum, (int)Math.Min(left, Piece)));
        }

        return pieces;
    }

    private static long[] ReadNumbers(Stream stream, IncrementalHash checksum, int count)
    {
        long[] numbers = new long[count];
        for (int i = 0; i < count; i++)
        {
            numbers[i] = ReadNumber(stream, checksum);
        }

        return numbers;
    }

    private static long ReadNumber(Stream stream, IncrementalHash checksum) =>
        BinaryPrimitives.ReadInt64LittleEndian(Read(stream, checksum, sizeof(long)));

    private static byte[] Read(Stream stream, IncrementalHash checksum, int count)
    {
        byte[] bytes = new byte[count];
        ReadFully(stream, bytes);
        checksum.AppendData(bytes);
        return bytes;
    }

    private static void ReadFully(Stream stream, byte[] bytes)
    {
        int read = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (read < bytes.Length)
        {
            throw CutOff(bytes.Length, read);
        }
    }

    private static InvalidDataException CutOff(long expected, long found) =>
        new($"A saved state is cut off: expected {expected} more bytes; found {found}.");
}
