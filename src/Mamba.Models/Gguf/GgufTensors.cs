using Mamba.Checkpoints;
using Mamba.Memory;
using Mamba.Models.Checkpoints;

namespace Mamba.Models.Gguf;

/// <summary>The weights of a GGUF file under the names, and with the shapes, of a Hugging Face checkpoint.</summary>
internal sealed class GgufTensors : ITensorSource
{
    private readonly GgufFile _file;
    private readonly Dictionary<string, TensorInfo> _tensors = [];
    private readonly Dictionary<string, GgufName> _names = [];

    /// <summary>Checks that the file has the weights of a model, and no others.</summary>
    /// <param name="file">The file; the caller disposes it.</param>
    /// <param name="architecture">Its family.</param>
    /// <param name="config">The model's configuration.</param>
    /// <exception cref="InvalidDataException">A weight is missing, unknown, or of another shape.</exception>
    public GgufTensors(GgufFile file, GgufArchitecture architecture, LanguageModelConfig config)
    {
        _file = file;
        foreach ((string name, int[] shape) in WeightShapes.Of(config))
        {
            GgufName gguf = architecture.NameOf(name) ?? throw new NotSupportedException(
                $"{file.Path}: a {architecture.Name} model of GGUF has no tensor for \"{name}\".");
            RequireShape(gguf, shape);
            _tensors.Add(name, new(name, ElementType.F32, Array.ConvertAll(shape, size => (long)size), offset: 0));
            _names.Add(name, gguf);
        }

        HashSet<string> known = [.. _names.Values.Select(name => name.Gguf)];
        if (file.Tensors.Values.FirstOrDefault(tensor => !known.Contains(tensor.Name)) is { } unknown)
        {
            throw new InvalidDataException(
                $"{file.Path}: a {architecture.Name} model of {config.Layers.Count} layers has no tensor " +
                $"\"{unknown.Name}\"; expected {known.Count} tensors; found {file.Tensors.Count}.");
        }
    }

    public string Path => _file.Path;

    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    public void Read(string name, Span<float> target)
    {
        this.CheckWhole(this.Find(name), target.Length);
        ReadRange(name, 0, target);
    }

    public void ReadRange(string name, long start, Span<float> target)
    {
        GgufName gguf = Name(name);
        _file.ReadRange(gguf.Gguf, start, target);
        if (!gguf.IsA)
        {
            return;
        }

        for (int i = 0; i < target.Length; i++)
        {
            if (target[i] >= 0f || !float.IsFinite(target[i]))
            {
                throw new InvalidDataException(
                    $"{Path}: tensor \"{gguf.Gguf}\": expected negative numbers, A; found {target[i]} at element " +
                    $"{start + i}.");
            }

            // In float64 and rounded once: A = -exp(log(-A)) then differs by a few units in the last place at most.
            target[i] = (float)Math.Log(-(double)target[i]);
        }
    }

    /// <summary>
    /// Loads a matrix in the precision that holds its stored numbers exactly, without widening them; false if that is
    /// float32, if another precision is asked for, or if the device cannot.
    /// </summary>
    /// <param name="weight">The matrix.</param>
    /// <param name="precision">The precision that is asked for; null: that of the file.</param>
    /// <exception cref="InvalidDataException">A half-precision number is not finite.</exception>
    public bool TryLoadRows(NamedWeight weight, Precision? precision)
    {
        GgufTensor tensor = _file.Find(Name(weight.Name).Gguf);
        DeviceArray array = weight.Parameter.Value;
        if (GgufRows.PrecisionOf(tensor.Type) is not { } stored || (precision ?? stored) != stored
            || !array.Device.CopiesRows || !stored.FitsRowsOf(array.Shape.Width))
        {
            return false;
        }

        weight.Parameter.Load(stored, (row, target) => ReadRows(tensor, stored, row, array.Shape.Width, target));
        return true;
    }

    private void ReadRows(GgufTensor tensor, Precision precision, nint row, int width, Span<byte> target)
    {
        (int elements, int bytes) = tensor.Type.Block();
        int stored = width / elements * bytes, own = (int)precision.Bytes(width);
        byte[] source = new byte[stored];
        for (int i = 0; i < target.Length / own; i++)
        {
            _file.ReadBytes(tensor.Name, (row + i) * (long)stored, source);
            if (!GgufRows.TryRead(tensor.Type, source, target.Slice(i * own, own)))
            {
                throw new InvalidDataException(
                    $"{Path}: tensor \"{tensor.Name}\": expected finite half-precision numbers; found another in row " +
                    $"{row + i}.");
            }
        }
    }

    public void Dispose() => _file.Dispose();

    private GgufName Name(string name)
    {
        this.Find(name);
        return _names[name];
    }

    private void RequireShape(GgufName name, int[] shape)
    {
        if (!_file.Tensors.TryGetValue(name.Gguf, out GgufTensor? tensor))
        {
            throw new InvalidDataException(
                $"{Path}: the tensor \"{name.Gguf}\" is missing; found {_file.Tensors.Count} tensors.");
        }

        // Writers leave out or keep sizes of 1 as they please.
        if (!Squeezed(tensor.Shape).SequenceEqual(Squeezed(Array.ConvertAll(shape, size => (long)size)))
            && !(name.Layout == GgufLayout.Groups && IsGrouped(tensor.Shape, shape[0])))
        {
            throw new InvalidDataException(
                $"{Path}: tensor \"{name.Gguf}\" has shape [{string.Join(", ", tensor.Shape.ToArray())}]; expected " +
                $"[{string.Join(", ", shape)}] from the keys.");
        }
    }

    private static long[] Squeezed(ReadOnlySpan<long> shape) => [.. shape.ToArray().Where(size => size != 1)];

    private static bool IsGrouped(ReadOnlySpan<long> shape, int channels) =>
        shape.Length == 2 && shape[0] * shape[1] == channels;
}
