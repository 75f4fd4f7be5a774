using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models.Checkpoints;
using Mamba.Models.Checkpoints.Families;

namespace Mamba.Models.Gguf;

/// <summary>Loads parameters of which each may be several tensors of a file, or parts of them.</summary>
internal static class GgufParts
{
    private const int PieceLength = 1 << 20;

    /// <summary>Loads all parameters of a model.</summary>
    /// <param name="file">The file.</param>
    /// <param name="map">The tensors and the parameters that hold them; parts of a parameter are neighbours.</param>
    /// <param name="model">The model.</param>
    /// <param name="narrow">The matrices that may be stored narrow.</param>
    /// <param name="precision">Their precision; null: that of the file, if all parts of a matrix have the same.</param>
    public static void Load(
        GgufFile file, TensorMap map, MambaLanguageModel model, IReadOnlySet<Parameter> narrow, Precision? precision)
    {
        _ = new PublishedTensors(map, model); // throws unless the table fills every parameter
        Dictionary<string, Parameter> parameters =
            model.Parameters.ToDictionary(named => named.Name, named => named.Parameter);
        float[] piece = new float[PieceLength];
        int end = 0;
        for (int start = 0; start < map.Parts.Count; start = end)
        {
            string name = map.Parts[start].Parameter;
            while (end < map.Parts.Count && map.Parts[end].Parameter == name)
            {
                end++;
            }

            TensorPart[] parts = [.. map.Parts.Skip(start).Take(end - start)];
            Parameter parameter = parameters[name];
            bool isNarrow = narrow.Contains(parameter);
            if (isNarrow && StoredPrecision(file, parts, parameter, precision) is { } stored)
            {
                parameter.Load(stored, (row, target) => ReadRows(file, parts, parameter, stored, row, target));
                continue;
            }

            Array.ForEach(parts, part => Load(file, part, parameter, piece));
            if (isNarrow && precision is { } other)
            {
                parameter.Narrow(other);
            }
        }
    }

    /// <summary>The precision that holds the stored numbers of all parts; null: there is none.</summary>
    private static Precision? StoredPrecision(
        GgufFile file, TensorPart[] parts, Parameter parameter, Precision? asked)
    {
        Precision?[] all = [.. parts.Select(part => GgufRows.PrecisionOf(file.Find(part.Tensor).Type)).Distinct()];
        return all is [{ } stored] && (asked ?? stored) == stored && parameter.Value.Device.CopiesRows
            && stored.FitsRowsOf(parameter.Value.Shape.Width)
            ? stored
            : null;
    }

    /// <summary>Reads rows of a parameter, each from the part that has it.</summary>
    private static void ReadRows(
        GgufFile file, TensorPart[] parts, Parameter parameter, Precision precision, nint row, Span<byte> target)
    {
        int width = parameter.Value.Shape.Width, bytes = (int)precision.Bytes(width);
        for (int i = 0; i < target.Length / bytes; i++)
        {
            long place = (row + i) * (long)width;
            TensorPart part = Array.Find(parts, part => place >= part.Place && place < part.Place + part.Count)!;
            file.ReadRows(
                file.Find(part.Tensor), precision, (part.Start + place - part.Place) / width, width,
                target.Slice(i * bytes, bytes));
        }
    }

    private static void Load(GgufFile file, TensorPart part, Parameter parameter, float[] piece)
    {
        if (part.Layout != WeightLayout.Same)
        {
            float[] values = new float[part.Count];
            Read(file, part.Tensor, 0, values);
            new NamedWeight(part.Tensor, parameter, part.Layout).Load(values);
            return;
        }

        for (long done = 0; done < part.Count; done += piece.Length)
        {
            Span<float> some = piece.AsSpan(0, (int)Math.Min(piece.Length, part.Count - done));
            Read(file, part.Tensor, part.Start + done, some);
            parameter.Value.WriteElements((nint)(part.Place + done), some);
        }
    }

    private static void Read(GgufFile file, string tensor, long start, Span<float> target)
    {
        if (tensor.EndsWith("ssm_a", StringComparison.Ordinal))
        {
            file.ReadLogOfA(tensor, start, target);
        }
        else
        {
            file.ReadRange(tensor, start, target);
        }
    }
}
