using Mamba.Memory;

namespace Mamba.Models.Gguf;

/// <summary>Reads weights of a file in the form in which the model has them.</summary>
internal static class GgufReading
{
    /// <summary>Reads A as log(-A).</summary>
    /// <exception cref="InvalidDataException">A number is not negative, or not finite.</exception>
    /// <remarks>
    /// In float64 and rounded once: A = -exp(log(-A)) then differs by a few units in the last place at most.
    /// </remarks>
    public static void ReadLogOfA(this GgufFile file, string name, long start, Span<float> target)
    {
        file.ReadRange(name, start, target);
        for (int i = 0; i < target.Length; i++)
        {
            if (target[i] >= 0f || !float.IsFinite(target[i]))
            {
                throw new InvalidDataException(
                    $"{file.Path}: tensor \"{name}\": expected negative numbers, A; found {target[i]} at element " +
                    $"{start + i}.");
            }

            target[i] = (float)Math.Log(-(double)target[i]);
        }
    }

    /// <summary>Reads rows in the precision that holds the numbers of the tensor's type.</summary>
    /// <param name="file">The file.</param>
    /// <param name="tensor">The tensor.</param>
    /// <param name="precision">The precision.</param>
    /// <param name="row">The first row.</param>
    /// <param name="width">Elements of a row.</param>
    /// <param name="target">Receives the bytes of whole rows.</param>
    /// <exception cref="InvalidDataException">A half-precision number is not finite.</exception>
    public static void ReadRows(
        this GgufFile file, GgufTensor tensor, Precision precision, long row, int width, Span<byte> target)
    {
        (int elements, int bytes) = tensor.Type.Block();
        int stored = width / elements * bytes, own = (int)precision.Bytes(width);
        byte[] source = new byte[stored];
        for (int i = 0; i < target.Length / own; i++)
        {
            file.ReadBytes(tensor.Name, (row + i) * stored, source);
            if (!GgufRows.TryRead(tensor.Type, source, target.Slice(i * own, own)))
            {
                throw new InvalidDataException(
                    $"{file.Path}: tensor \"{tensor.Name}\": expected finite half-precision numbers; found " +
                    $"another in row {row + i}.");
            }
        }
    }

    /// <summary>Throws unless the file has a tensor of a shape.</summary>
    /// <param name="file">The file.</param>
    /// <param name="name">The tensor.</param>
    /// <param name="shape">Its shape; sizes of 1 may be left out or added, and a vector may be a matrix.</param>
    /// <exception cref="InvalidDataException">It is missing, or of another shape.</exception>
    public static void RequireShape(this GgufFile file, string name, int[] shape)
    {
        if (!file.Tensors.TryGetValue(name, out GgufTensor? tensor))
        {
            throw new InvalidDataException(
                $"{file.Path}: the tensor \"{name}\" is missing; found {file.Tensors.Count} tensors.");
        }

        long[] found = [.. tensor.Shape.ToArray().Where(size => size != 1)];
        long[] expected = [.. shape.Where(size => size != 1).Select(size => (long)size)];
        bool isVector = expected.Length <= 1 && tensor.Count == (expected.Length == 0 ? 1 : expected[0]);
        if (!isVector && !found.SequenceEqual(expected))
        {
            throw new InvalidDataException(
                $"{file.Path}: tensor \"{name}\" has shape [{string.Join(", ", tensor.Shape.ToArray())}]; expected " +
                $"[{string.Join(", ", shape)}] from the keys.");
        }
    }

    /// <summary>Throws if the file has a tensor that a model lacks.</summary>
    public static void RequireNoOthers(this GgufFile file, IReadOnlySet<string> known)
    {
        if (file.Tensors.Values.FirstOrDefault(tensor => !known.Contains(tensor.Name)) is { } unknown)
        {
            throw new InvalidDataException(
                $"{file.Path}: the model that the keys describe has no tensor \"{unknown.Name}\"; expected " +
                $"{known.Count} tensors; found {file.Tensors.Count}.");
        }
    }
}
