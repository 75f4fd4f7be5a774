using Mamba.Memory;
using Mamba.Models.Checkpoints;
using Mamba.Models.Checkpoints.Families;

namespace Mamba.Models.Gguf;

/// <summary>Announces the weights of a model to a writer, each in the type that llama.cpp stores it in.</summary>
internal static class GgufMatrix
{
    /// <summary>Values of <c>general.file_type</c>; those of K types are llama.cpp's small mixtures.</summary>
    private static readonly Dictionary<GgufType, int> _fileTypes = new()
    {
        [GgufType.F32] = 0, [GgufType.F16] = 1, [GgufType.Q4_0] = 2, [GgufType.Q4_1] = 3, [GgufType.Q8_0] = 7,
        [GgufType.Q5_0] = 8, [GgufType.Q5_1] = 9, [GgufType.Q4_K] = 14, [GgufType.Q5_K] = 16, [GgufType.Q6_K] = 18,
        [GgufType.BF16] = 32,
    };

    /// <summary>The types that matrices can be written in.</summary>
    public static IReadOnlyCollection<GgufType> WrittenTypes => _fileTypes.Keys;

    /// <summary>Throws unless matrices can be written in a type.</summary>
    public static void RequireWritten(GgufType type)
    {
        if (!_fileTypes.ContainsKey(type))
        {
            throw new NotSupportedException(
                $"Matrices are written as {string.Join(", ", _fileTypes.Keys)}; found {type}.");
        }
    }

    public static void WriteFileType(GgufType type, GgufWriter writer)
    {
        writer.AddUInt32("general.file_type", _fileTypes[type]);
        writer.AddUInt32("general.quantization_version", 2);
    }

    /// <summary>Announces a tensor of a model whose parameters may each be several tensors, or parts of them.</summary>
    /// <param name="name">Its name in the file.</param>
    /// <param name="shape">Its shape in the file.</param>
    /// <param name="tensors">The model's tensors.</param>
    /// <param name="type">The type of matrices.</param>
    /// <param name="writer">The writer.</param>
    public static void Announce(
        string name, long[] shape, PublishedTensors tensors, GgufType type, GgufWriter writer)
    {
        int width = (int)shape[^1];
        type = IsNarrow(name, shape) ? TypeFor(type, width) : GgufType.F32;
        bool isA = name.EndsWith("ssm_a", StringComparison.Ordinal);
        IReadOnlyList<StoredRows>? stored = KeptAs(type) is { } kept ? tensors.StoredAs(name, kept, width) : null;
        writer.Add(name, type, shape, stored is not null
            ? (row, target) => ReadStored(stored, type, width, row, target)
            : (row, target) => Encode(
                (start, values) => tensors.Read(name, start, values), name, isA, type, width, row, target));
    }

    /// <summary>Announces a weight.</summary>
    /// <param name="weight">The weight.</param>
    /// <param name="name">Its name and layout in the file.</param>
    /// <param name="groups">Number of groups of channels of its layer.</param>
    /// <param name="type">The type of matrices.</param>
    /// <param name="writer">The writer.</param>
    public static void Announce(NamedWeight weight, GgufName name, int groups, GgufType type, GgufWriter writer)
    {
        long[] shape = name.ShapeOf(weight.Shape, groups);
        int width = (int)shape[^1];
        type = IsNarrow(name.Gguf, shape) ? TypeFor(type, width) : GgufType.F32;
        DeviceArray array = weight.Parameter.Value;
        bool isStored =
            weight.Linear?.Adapter is null && array.Device.CopiesRows && KeptAs(type) == array.Precision;
        writer.Add(name.Gguf, type, shape, isStored
            ? (row, target) => ReadStored(array, type, width, row, target)
            : (row, target) => Encode(weight.Read, name.Gguf, name.IsA, type, width, row, target));
    }

    /// <summary>The precision in which a model stores the blocks of a type as they are; null: none.</summary>
    private static Precision? KeptAs(GgufType type) =>
        type != GgufType.Q5_0 && GgufRows.PrecisionOf(type) is { } precision && precision.HasBlocks()
            ? precision
            : null;

    /// <summary>Whether llama.cpp stores a tensor in fewer bits.</summary>
    private static bool IsNarrow(string name, long[] shape) =>
        shape.Length >= 2 && name.EndsWith(".weight", StringComparison.Ordinal)
        && !name.EndsWith("_norm.weight", StringComparison.Ordinal)
        && !name.EndsWith("ssm_conv1d.weight", StringComparison.Ordinal)
        && !name.EndsWith("ffn_gate_inp.weight", StringComparison.Ordinal);

    /// <summary>The type, or the one that llama.cpp takes if rows of a width are not whole blocks of it.</summary>
    private static GgufType TypeFor(GgufType type, int width) => width % type.Block().Elements == 0 ? type : type switch
    {
        GgufType.Q4_K when width % 32 == 0 => GgufType.Q5_0,
        GgufType.Q5_K when width % 32 == 0 => GgufType.Q5_1,
        GgufType.Q6_K when width % 32 == 0 => GgufType.Q8_0,
        _ => GgufType.F16,
    };

    /// <summary>Reads elements of a weight with its layout in a checkpoint.</summary>
    private delegate void ReadValues(long start, Span<float> values);

    private static void ReadStored(DeviceArray array, GgufType type, int width, long row, Span<byte> target)
    {
        (int elements, int bytes) = type.Block();
        int stored = width / elements * bytes, own = (int)array.Precision.Bytes(width), rows = target.Length / stored;
        byte[] source = new byte[rows * own];
        array.Device.ReadRows(array, (nint)row, source);
        for (int i = 0; i < rows; i++)
        {
            GgufRows.Write(type, source.AsSpan(i * own, own), target.Slice(i * stored, stored));
        }
    }

    private static void ReadStored(
        IReadOnlyList<StoredRows> parts, GgufType type, int width, long row, Span<byte> target)
    {
        (int elements, int bytes) = type.Block();
        int stored = width / elements * bytes;
        while (!target.IsEmpty)
        {
            StoredRows part = parts.First(part => row >= part.Row && row < part.Row + part.Count);
            int rows = (int)Math.Min(part.Row + part.Count - row, target.Length / stored);
            ReadStored(part.Array, type, width, part.Place + row - part.Row, target[..(rows * stored)]);
            row += rows;
            target = target[(rows * stored)..];
        }
    }

    private static unsafe void Encode(
        ReadValues read, string name, bool isA, GgufType type, int width, long row, Span<byte> target)
    {
        (int elements, int bytes) = type.Block();
        int stored = width / elements * bytes, rows = target.Length / stored;
        float[] values = new float[rows * width];
        read(row * width, values);
        if (isA)
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = (float)-Math.Exp(values[i]);
            }
        }

        try
        {
            fixed (float* source = values)
            fixed (byte* encoded = target)
            {
                nint x = (nint)source, y = (nint)encoded;
                Parallel.For(0, rows, i => GgufEncoder.Encode(
                    type, (float*)x + ((nint)i * width), width, (byte*)y + ((nint)i * stored)));
            }
        }
        catch (AggregateException exception) when (exception.InnerException is ArithmeticException inner)
        {
            throw new ArithmeticException(
                $"\"{name}\" cannot be stored as {type}. {inner.Message}", exception);
        }
    }
}
