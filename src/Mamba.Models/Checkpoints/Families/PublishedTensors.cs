using Mamba.Checkpoints;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Models.Checkpoints.Families;

/// <summary>The tensors of a checkpoint, with the parameters of a model that hold them.</summary>
internal sealed class PublishedTensors
{
    private readonly Dictionary<string, Parameter> _parameters;
    private readonly Dictionary<Parameter, Linear> _linears = [];
    private readonly IReadOnlyList<TensorPart> _parts;
    private readonly ILookup<string, TensorPart> _tensors;

    /// <summary>Finds the parameters.</summary>
    /// <param name="map">The tensors.</param>
    /// <param name="model">The model.</param>
    /// <exception cref="InvalidOperationException">The table does not fill a parameter exactly.</exception>
    public PublishedTensors(TensorMap map, Module model)
    {
        _parts = map.Parts;
        _tensors = _parts.ToLookup(part => part.Tensor);
        _parameters = model.Parameters.ToDictionary(named => named.Name, named => named.Parameter);
        foreach (Linear linear in model.Modules.Select(named => named.Module).OfType<Linear>())
        {
            _linears[linear.Weight] = linear;
        }

        ILookup<string, long> counts = _parts.ToLookup(part => part.Parameter, part => part.Count);
        foreach ((string name, Parameter parameter) in _parameters.Where(named => !IsOfAdapter(named.Key)))
        {
            if (counts[name].Sum() != parameter.Value.Shape.Count)
            {
                throw new InvalidOperationException(
                    $"The tensors of this family fill {counts[name].Sum()} of the {parameter.Value.Shape.Count} " +
                    $"elements of \"{name}\".");
            }
        }
    }

    /// <summary>The names and shapes of the tensors.</summary>
    public IEnumerable<(string Name, int[] Shape)> All =>
        _tensors.Select(tensor => (tensor.Key, tensor.First().Shape));

    /// <summary>Loads the parameters, and stores matrices narrow as soon as they are complete.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="narrow">The matrices to store narrow.</param>
    /// <param name="precision">Their precision.</param>
    /// <exception cref="ArithmeticException">A weight does not fit the precision.</exception>
    public void Load(ITensorSource source, IReadOnlySet<Parameter> narrow, Precision precision)
    {
        float[] piece = new float[1 << 20];
        for (int i = 0; i < _parts.Count; i++)
        {
            TensorPart part = _parts[i];
            Parameter parameter = _parameters[part.Parameter];
            Load(source, part, parameter, piece);
            bool isComplete = i + 1 == _parts.Count || _parts[i + 1].Parameter != part.Parameter;
            if (isComplete && narrow.Contains(parameter))
            {
                NamedWeight.Narrow(source, part.Tensor, parameter, precision);
            }
        }
    }

    /// <summary>Throws if a parameter was never set or has been freed.</summary>
    public void RequireSet()
    {
        foreach (TensorPart part in _parts)
        {
            Weight(part).RequireSet();
        }
    }

    /// <summary>Reads elements of a tensor from the parameters, with adapters merged.</summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="start">The first element.</param>
    /// <param name="target">Receives the elements.</param>
    public void Read(string tensor, long start, Span<float> target)
    {
        foreach (TensorPart part in _tensors[tensor])
        {
            long from = Math.Max(start, part.Start), end = Math.Min(start + target.Length, part.Start + part.Count);
            if (from >= end)
            {
                continue;
            }

            Span<float> own = target.Slice((int)(from - start), (int)(end - from));
            Weight(part).Read(part.Place + from - part.Start, own);
            Add(own, -part.Offset);
        }
    }

    /// <summary>The rows of a matrix where parameters store them in some precision; null: not all do.</summary>
    /// <param name="tensor">The matrix.</param>
    /// <param name="precision">The precision.</param>
    /// <param name="width">Elements of a row.</param>
    public IReadOnlyList<StoredRows>? StoredAs(string tensor, Precision precision, int width)
    {
        bool IsStored(TensorPart part)
        {
            NamedWeight weight = Weight(part);
            DeviceArray array = weight.Parameter.Value;
            return part is { Layout: WeightLayout.Same, Offset: 0 } && weight.Linear?.Adapter is null
                && array.Precision == precision && array.Device.CopiesRows && array.Shape.Width == width;
        }

        return _tensors[tensor].All(IsStored)
            ? [.. _tensors[tensor].Select(part => new StoredRows(
                _parameters[part.Parameter].Value, part.Start / width, part.Count / width, part.Place / width))]
            : null;
    }

    /// <summary>
    /// Returns a whole tensor with the elements of other arrays of the parameters' shapes, as gradients.
    /// </summary>
    /// <param name="tensor">The tensor.</param>
    /// <param name="arrayOf">The array of each parameter; <c>default</c>, as without a gradient, gives zeros.</param>
    public float[] Export(string tensor, Func<Parameter, DeviceArray> arrayOf)
    {
        float[] values = new float[_tensors[tensor].Sum(part => part.Count)];
        foreach (TensorPart part in _tensors[tensor])
        {
            if (arrayOf(_parameters[part.Parameter]) is { Exists: true } array)
            {
                float[] own = Weight(part).Export(array);
                own.AsSpan((int)part.Place, (int)part.Count).CopyTo(values.AsSpan((int)part.Start));
            }
        }

        return values;
    }

    private static bool IsOfAdapter(string parameter) => parameter.Contains(".adapter.", StringComparison.Ordinal);

    private static void Load(ITensorSource source, TensorPart part, Parameter parameter, float[] piece)
    {
        if (part.Layout != WeightLayout.Same)
        {
            float[] values = new float[part.Count];
            source.Read(part.Tensor, values);
            new NamedWeight(part.Tensor, parameter, part.Layout).Load(values);
            return;
        }

        for (long done = 0; done < part.Count; done += piece.Length)
        {
            Span<float> some = piece.AsSpan(0, (int)Math.Min(piece.Length, part.Count - done));
            source.ReadRange(part.Tensor, part.Start + done, some);
            Add(some, part.Offset);
            parameter.Value.WriteElements((nint)(part.Place + done), some);
        }
    }

    private static void Add(Span<float> values, float offset)
    {
        if (offset != 0)
        {
            System.Numerics.Tensors.TensorPrimitives.Add(values, offset, values);
        }
    }

    private NamedWeight Weight(TensorPart part)
    {
        Parameter parameter = _parameters[part.Parameter];
        return new(part.Tensor, parameter, part.Layout, _linears.GetValueOrDefault(parameter));
    }
}

/// <summary>Rows of a matrix of a checkpoint that a parameter of the model holds.</summary>
/// <param name="Array">The parameter.</param>
/// <param name="Row">The first row in the checkpoint's matrix.</param>
/// <param name="Count">Number of rows.</param>
/// <param name="Place">The first row in the parameter.</param>
internal readonly record struct StoredRows(DeviceArray Array, long Row, long Count, long Place);
