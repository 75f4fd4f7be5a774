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
    public GgufTensors(GgufFile file, GgufPureArchitecture architecture, LanguageModelConfig config)
    {
        _file = file;
        foreach ((string name, int[] shape) in WeightShapes.Of(config))
        {
            GgufName gguf = architecture.NameOf(name) ?? throw new NotSupportedException(
                $"{file.Path}: a {architecture.Name} model of GGUF has no tensor for \"{name}\".");
            file.RequireShape(gguf.Gguf, shape);
            _tensors.Add(name, new(name, ElementType.F32, Array.ConvertAll(shape, size => (long)size), offset: 0));
            _names.Add(name, gguf);
        }

        file.RequireNoOthers(_names.Values.Select(name => name.Gguf).ToHashSet());
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
        if (gguf.IsA)
        {
            _file.ReadLogOfA(gguf.Gguf, start, target);
        }
        else
        {
            _file.ReadRange(gguf.Gguf, start, target);
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

        weight.Parameter.Load(stored, (row, target) => _file.ReadRows(tensor, stored, row, array.Shape.Width, target));
        return true;
    }

    public void Dispose() => _file.Dispose();

    private GgufName Name(string name)
    {
        this.Find(name);
        return _names[name];
    }
}
