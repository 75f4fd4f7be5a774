using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>A part of a model: parameters with stable names, and parts of its own. It holds weights, never state.</summary>
public abstract class Module : IDisposable
{
    private readonly List<(string Name, Parameter Parameter)> _parameters = [];
    private readonly List<(string Name, Module Module)> _modules = [];

    /// <summary>Makes a part of a model.</summary>
    /// <param name="device">Where its parameters live.</param>
    protected Module(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        Device = device;
    }

    /// <summary>Where the parameters live.</summary>
    public Device Device { get; }

    /// <summary>
    /// All parameters with their names, such as <c>blocks.0.mixer.in_projection.weight</c>, in the order of the names in
    /// the code. One that is shared appears once.
    /// </summary>
    public IEnumerable<(string Name, Parameter Parameter)> Parameters =>
        _parameters.Concat(_modules.SelectMany(
            child => child.Module.Parameters.Select(inner => ($"{child.Name}.{inner.Name}", inner.Parameter))));

    /// <summary>All parts at any depth with their names, such as <c>blocks.0.mixer.in_projection</c>.</summary>
    internal IEnumerable<(string Name, Module Module)> Modules => _modules.SelectMany(
        child => child.Module.Modules.Select(inner => ($"{child.Name}.{inner.Name}", inner.Module)).Prepend(child));

    /// <summary>Number of weights.</summary>
    public long ParameterCount => Parameters.Sum(named => (long)named.Parameter.Value.Shape.Count);

    /// <summary>
    /// Stores all matrices, of projections and embeddings, in fewer bits: less memory, and less of it to read for a step.
    /// They can no longer be trained; other parameters stay as they are.
    /// </summary>
    /// <param name="precision">
    /// How they are stored. Matrices whose rows blocks of 32 do not fill are stored as bfloat16 where blocks are asked for.
    /// </param>
    /// <exception cref="NotSupportedException">The device has no arrays of this precision.</exception>
    /// <exception cref="ArithmeticException">
    /// A weight does not fit the precision: its matrix and those behind it stay as they were.
    /// </exception>
    public void Narrow(Precision precision = Precision.BFloat16)
    {
        foreach (Parameter parameter in NarrowParameters)
        {
            parameter.Narrow(precision);
        }
    }

    /// <summary>The matrices that <see cref="Narrow"/> stores in fewer bits.</summary>
    internal IEnumerable<Parameter> NarrowParameters =>
        _parameters.Where(named => CanNarrow && named.Parameter.Decays).Select(named => named.Parameter)
            .Concat(_modules.SelectMany(child => child.Module.NarrowParameters));

    /// <summary>Whether what decays is matrices that can be stored in fewer bits.</summary>
    private protected virtual bool CanNarrow => true;

    /// <summary>Sets all gradients to zero.</summary>
    public void ClearGradients()
    {
        foreach ((_, Parameter parameter) in Parameters)
        {
            parameter.ClearGradient();
        }
    }

    /// <summary>Frees the parameters.</summary>
    public void Dispose()
    {
        foreach ((_, Parameter parameter) in _parameters)
        {
            Device.Free(parameter.Value);
        }

        _parameters.Clear();
        foreach ((_, Module module) in _modules)
        {
            module.Dispose();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Makes a parameter.</summary>
    /// <param name="name">Its name in this module.</param>
    /// <param name="shape">Its sizes.</param>
    /// <param name="initial">Writes the first values; null leaves them unset, for a loader to fill.</param>
    /// <param name="decays">Whether weight decay applies.</param>
    /// <returns>The parameter.</returns>
    protected Parameter AddParameter(string name, Shape shape, Initializer? initial, bool decays = false)
    {
        Parameter parameter = new(Device.AllocateOwned(shape), decays);
        if (initial is not null)
        {
            float[] values = new float[shape.Count];
            initial(values);
            parameter.Value.CopyFrom(values);
        }

        _parameters.Add((name, parameter));
        return parameter;
    }

    /// <summary>The value of a parameter that may not be there; <c>default</c> then.</summary>
    private protected static DeviceArray Optional(Parameter? parameter) => parameter?.Value ?? default;

    /// <summary>Adds a part.</summary>
    /// <typeparam name="TModule">Kind of part.</typeparam>
    /// <param name="name">Its name in this module.</param>
    /// <param name="module">The part; this module frees it.</param>
    /// <returns>The part.</returns>
    protected TModule AddModule<TModule>(string name, TModule module)
        where TModule : Module
    {
        _modules.Add((name, module));
        return module;
    }

    /// <summary>Removes a part and frees it.</summary>
    private protected void RemoveModule(Module module)
    {
        _modules.RemoveAll(child => child.Module == module);
        module.Dispose();
    }
}
