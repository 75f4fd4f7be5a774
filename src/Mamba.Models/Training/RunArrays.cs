using Mamba.Devices;
using Mamba.Models.Checkpoints;

namespace Mamba.Models.Training;

/// <summary>The arrays that a run goes on from, in a file: weights, moments, averages, carried states.</summary>
internal static class RunArrays
{
    public const string FileName = "training.safetensors";

    public static void Save(string folder, IEnumerable<(string Name, DeviceArray Array)> arrays)
    {
        SafetensorsWriter writer = new();
        foreach ((string name, DeviceArray array) in arrays)
        {
            long[] shape = Array.ConvertAll(array.Shape.ToArray(), size => (long)size);
            writer.Add(name, ElementType.F32, shape, (start, target) => array.ReadElements((nint)start, target));
        }

        writer.Save(Path.Combine(folder, FileName));
    }

    /// <summary>Reads all arrays, after all names and shapes have been checked.</summary>
    /// <exception cref="InvalidDataException">An array is missing, unknown or of another shape.</exception>
    public static void Load(string folder, IReadOnlyList<(string Name, DeviceArray Array)> arrays)
    {
        const int Piece = 1 << 18;
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, FileName));
        foreach ((string name, DeviceArray array) in arrays)
        {
            string expected = string.Join(", ", array.Shape.ToArray());
            string found = string.Join(", ", file.Find(name).Shape.ToArray());
            if (expected != found)
            {
                throw new InvalidDataException($"{file.Path}: \"{name}\" has shape [{found}]; expected [{expected}].");
            }
        }

        if (file.Tensors.Keys.Except(arrays.Select(named => named.Name)).FirstOrDefault() is { } unknown)
        {
            throw new InvalidDataException($"{file.Path}: this run has no \"{unknown}\".");
        }

        float[] piece = new float[Piece];
        foreach ((string name, DeviceArray array) in arrays)
        {
            for (long start = 0; start < array.Shape.Count; start += Piece)
            {
                Span<float> part = piece.AsSpan(0, (int)Math.Min(Piece, array.Shape.Count - start));
                file.ReadRange(name, start, part);
                array.WriteElements((nint)start, part);
            }
        }
    }
}
