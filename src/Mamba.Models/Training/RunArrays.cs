using Mamba.Checkpoints;
using Mamba.Memory;

namespace Mamba.Models.Training;

/// <summary>The file with the arrays of a checkpoint: weights, moments, averages and carried states.</summary>
internal sealed class RunArrays : IDisposable
{
    public const string FileName = "training.safetensors";

    private readonly SafetensorsFile _file;

    private RunArrays(SafetensorsFile file) => _file = file;

    public string Path => _file.Path;

    public static void Save(string folder, IEnumerable<(string Name, DeviceArray Array)> arrays)
    {
        SafetensorsWriter writer = new();
        foreach ((string name, DeviceArray array) in arrays)
        {
            long[] shape = Array.ConvertAll(array.Shape.ToArray(), size => (long)size);
            writer.Add(name, ElementType.F32, shape, (start, target) => array.ReadElements((nint)start, target));
        }

        writer.Save(System.IO.Path.Combine(folder, FileName));
    }

    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static RunArrays Open(string folder) => new(SafetensorsFile.Open(System.IO.Path.Combine(folder, FileName)));

    /// <summary>Whether the file has an array of this name.</summary>
    public bool Has(string name) => _file.Tensors.ContainsKey(name);

    /// <summary>Checks the shape of an array before memory is allocated for it.</summary>
    /// <exception cref="InvalidDataException">The array is missing, or of another shape or type.</exception>
    public void Require(string name, params ReadOnlySpan<int> shape)
    {
        TensorInfo found = _file.Find(name);
        string expected = string.Join(", ", shape.ToArray());
        if (found.Type != ElementType.F32 || string.Join(", ", found.Shape.ToArray()) != expected)
        {
            throw new InvalidDataException($"{Path}: \"{name}\": expected F32 of shape [{expected}]; found {found}.");
        }
    }

    /// <summary>Checks that the file has arrays of these names and shapes and no others.</summary>
    /// <exception cref="InvalidDataException">An array is missing, unknown, or of another shape or type.</exception>
    public void RequireAll(IReadOnlyList<(string Name, DeviceArray Array)> arrays)
    {
        foreach ((string name, DeviceArray array) in arrays)
        {
            Require(name, array.Shape.ToArray());
        }

        if (_file.Tensors.Keys.Except(arrays.Select(named => named.Name)).FirstOrDefault() is { } unknown)
        {
            throw new InvalidDataException($"{Path}: this run has no \"{unknown}\".");
        }
    }

    /// <summary>Reads arrays whose shapes were checked.</summary>
    public void Read(IEnumerable<(string Name, DeviceArray Array)> arrays)
    {
        const int Piece = 1 << 18;
        float[] piece = new float[Piece];
        foreach ((string name, DeviceArray array) in arrays)
        {
            for (long start = 0; start < array.Shape.Count; start += Piece)
            {
                Span<float> part = piece.AsSpan(0, (int)Math.Min(Piece, array.Shape.Count - start));
                _file.ReadRange(name, start, part);
                array.WriteElements((nint)start, part);
            }
        }
    }

    public void Dispose() => _file.Dispose();
}
