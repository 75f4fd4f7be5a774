using System.Globalization;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>
/// A part of a model: parameters and buffers with stable names, and nested parts. It holds weights only; the state of a
/// sequence is a <see cref="LayerState"/>.
/// </summary>
/// <remarks>
/// To write a layer, derive from this class, create weights with <see cref="AddParameter"/> and parts with
/// <see cref="AddModule{TModule}(string, TModule)"/> in the constructor, and compute with
/// <see cref="Autograd.Functions"/>. Gradients and saving need no further code.
/// </remarks>
/// <example>
/// <code>
/// foreach ((string name, Parameter weights) in module.Parameters)
/// {
///     Console.WriteLine($"{name} {weights.Value.Shape}");
/// }
///
/// module.Save("module.safetensors");
/// </code>
/// </example>
public abstract class Module : IDisposable
{
    private readonly List<(string Name, Parameter Parameter)> _parameters = [];
    private readonly List<(string Name, DeviceArray Buffer)> _buffers = [];
    private readonly List<(string Name, Module Module)> _modules = [];

    /// <summary>Makes a part of a model.</summary>
    /// <param name="device">Device that holds the parameters.</param>
    protected Module(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        Device = device;
    }

    /// <summary>The device that holds the parameters.</summary>
    public Device Device { get; }

    /// <summary>
    /// All parameters with their names, such as <c>blocks.0.mixer.in_projection.weight</c>, in the order in which they
    /// were added, a module's own before those of its parts. A shared part appears once, under its first name.
    /// </summary>
    public IEnumerable<(string Name, Parameter Parameter)> Parameters => Modules.Prepend((Name: "", Module: this))
        .SelectMany(named => named.Module._parameters.Select(own => (
            named.Name.Length > 0 ? $"{named.Name}.{own.Name}" : own.Name, own.Parameter)));

    /// <summary>
    /// All buffers with their names, ordered as <see cref="Parameters"/>. Buffers are saved with the module, but no
    /// optimiser changes them.
    /// </summary>
    public IEnumerable<(string Name, DeviceArray Buffer)> Buffers => Modules.Prepend((Name: "", Module: this))
        .SelectMany(named => named.Module._buffers.Select(own => (
            named.Name.Length > 0 ? $"{named.Name}.{own.Name}" : own.Name, own.Buffer)));

    /// <summary>
    /// All nested parts with their names, such as <c>blocks.0.mixer.in_projection</c>. A shared part appears once,
    /// under its first name.
    /// </summary>
    public IEnumerable<(string Name, Module Module)> Modules
    {
        get
        {
            HashSet<Module> seen = [this];
            return Within(this, "");

            IEnumerable<(string Name, Module Module)> Within(Module module, string prefix)
            {
                foreach ((string name, Module child) in module._modules)
                {
                    if (seen.Add(child))
                    {
                        yield return name.Length > 0 ? (prefix + name, child) : (prefix.TrimEnd('.'), child);
                        foreach ((string, Module) inner in Within(child, name.Length > 0 ? $"{prefix}{name}." : prefix))
                        {
                            yield return inner;
                        }
                    }
                }
            }
        }
    }

    /// <summary>Whether a tape records the operations of the calling thread on the device.</summary>
    protected bool IsRecording => Device.Tape is not null;

    /// <summary>
    /// Whether the module is being recomputed in the backward pass (<c>Functions.Recompute</c>). It must not write
    /// buffers then.
    /// </summary>
    protected bool IsRepeating => Device.Tape is { IsRepeating: true };

    /// <summary>Total number of weights.</summary>
    public long ParameterCount => Parameters.Sum(named => (long)named.Parameter.Value.Shape.Count);

    /// <summary>
    /// Stores the matrices of projections and embeddings in fewer bits, which saves memory, and bandwidth in each step.
    /// These matrices can no longer be trained. All other parameters, including adapters, are unchanged.
    /// </summary>
    /// <param name="precision">
    /// The precision. If it is a block format, matrices whose rows are not a multiple of 32 become bfloat16.
    /// </param>
    /// <exception cref="NotSupportedException">The device has no arrays of this precision.</exception>
    /// <exception cref="ArithmeticException">
    /// A weight does not fit the precision; the message names it. Nothing has changed.
    /// </exception>
    /// <exception cref="InvalidOperationException">Weights were never set. Nothing has changed.</exception>
    public void Narrow(Precision precision = Precision.BFloat16)
    {
        HashSet<Parameter> matrices = [.. NarrowParameters];
        foreach ((string name, Parameter parameter) in Parameters.Where(named => matrices.Contains(named.Parameter)))
        {
            parameter.RequireFit(precision, name);
        }

        foreach (Parameter parameter in matrices)
        {
            parameter.Narrow(precision);
        }
    }

    /// <summary>The matrices that <see cref="Narrow"/> stores in fewer bits.</summary>
    internal IEnumerable<Parameter> NarrowParameters => Modules.Select(named => named.Module).Prepend(this)
        .Where(module => module.CanNarrow)
        .SelectMany(module => module._parameters)
        .Where(named => named.Parameter.Decays)
        .Select(named => named.Parameter);

    /// <summary>Whether the decaying parameters are matrices that can be stored in fewer bits.</summary>
    private protected virtual bool CanNarrow => true;

    /// <summary>Sets all gradients to zero.</summary>
    public void ClearGradients()
    {
        foreach ((_, Parameter parameter) in Parameters)
        {
            parameter.ClearGradient();
        }
    }

    /// <summary>
    /// Frees the parameters and buffers of this module and its parts. A shared part is freed with its first owner.
    /// </summary>
    public void Dispose()
    {
        foreach ((_, Parameter parameter) in _parameters)
        {
            Device.Release(parameter.Value);
        }

        foreach ((_, DeviceArray buffer) in _buffers)
        {
            Device.Release(buffer);
        }

        foreach ((_, Module module) in _modules)
        {
            module.Dispose();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Makes a parameter, whose weights training changes.</summary>
    /// <param name="name">Its name, unique in this module.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="initial">Writes the initial values; null leaves them unset, for a loader to fill.</param>
    /// <param name="decays">Whether weight decay applies.</param>
    /// <returns>The parameter.</returns>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    /// <exception cref="InsufficientMemoryException">The device's memory does not suffice.</exception>
    /// <exception cref="NotSupportedException">
    /// There are initial values for more elements than a .NET array can hold.
    /// </exception>
    protected Parameter AddParameter(string name, Shape shape, Initializer? initial, bool decays = false)
    {
        RequireFree(name);
        Parameter parameter = new(AllocateFilled(name, shape, initial), decays, isUnset: initial is null);
        _parameters.Add((name, parameter));
        return parameter;
    }

    /// <summary>
    /// Makes a buffer, such as running statistics: values that are saved and loaded with the parameters, and that no
    /// optimiser changes. The module itself updates them.
    /// </summary>
    /// <param name="name">Its name, unique in this module.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="initial">Writes the initial values; null: zeros.</param>
    /// <returns>The float32 buffer, which this module frees.</returns>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    /// <exception cref="InsufficientMemoryException">The device's memory does not suffice.</exception>
    /// <exception cref="NotSupportedException">It has more elements than a .NET array can hold.</exception>
    /// <remarks>
    /// <see cref="IsRepeating"/> is true while a layer is recomputed in the backward pass. Skipping a training step
    /// does not restore buffers.
    /// </remarks>
    protected DeviceArray AddBuffer(string name, Shape shape, Initializer? initial = null)
    {
        RequireFree(name);
        DeviceArray buffer = AllocateFilled(name, shape, initial ?? (values => values.Clear()));
        _buffers.Add((name, buffer));
        return buffer;
    }

    /// <summary>The value of an optional parameter; <c>default</c> if it is null.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <returns>Its value, in the form in which functions take optional arrays.</returns>
    protected static DeviceArray Optional(Parameter? parameter) => parameter?.Value ?? default;

    /// <summary>Throws unless an input has the layer's width.</summary>
    /// <param name="x">The input.</param>
    /// <param name="width">The expected size of the last axis.</param>
    /// <exception cref="ArgumentException">x has another width, or is <c>default</c>.</exception>
    protected void RequireWidth(DeviceArray x, int width)
    {
        DeviceArray.Require(nameof(x), x);
        if (x.Shape.Width != width)
        {
            throw new ArgumentException(
                $"The input {x.Shape} has width {x.Shape.Width}; this {GetType().Name} takes {width}.", nameof(x));
        }
    }

    /// <summary>Adds a part. A part may have several owners or names; its parameters count once.</summary>
    /// <typeparam name="TModule">Kind of part.</typeparam>
    /// <param name="name">Its name, unique in this module.</param>
    /// <param name="module">The part, on the same device; this module frees it.</param>
    /// <returns>The part.</returns>
    /// <exception cref="ArgumentException">
    /// The name is empty or taken, the part is on another device, or this module is a part of it.
    /// </exception>
    protected TModule AddModule<TModule>(string name, TModule module)
        where TModule : Module
    {
        ArgumentNullException.ThrowIfNull(module);
        RequireFree(name);
        return Add(name, module);
    }

    /// <summary>Adds a part whose parameters, buffers and parts are named like this module's own.</summary>
    /// <typeparam name="TModule">Kind of part.</typeparam>
    /// <param name="module">The part, on the same device; this module frees it.</param>
    /// <returns>The part.</returns>
    /// <exception cref="ArgumentException">
    /// One of its names is taken, the part is on another device, or this module is a part of it.
    /// </exception>
    protected TModule AddModule<TModule>(TModule module)
        where TModule : Module
    {
        ArgumentNullException.ThrowIfNull(module);
        foreach (string name in module.Names)
        {
            RequireFree(name);
        }

        return Add("", module);
    }

    private TModule Add<TModule>(string name, TModule module)
        where TModule : Module
    {
        string what = name.Length > 0 ? $"\"{name}\"" : $"A {module.GetType().Name}";
        if (module.Device != Device)
        {
            throw new ArgumentException(
                $"{what} is on \"{module.Device}\"; this {GetType().Name} is on \"{Device}\".", nameof(module));
        }

        if (module == this || module.Modules.Any(part => part.Module == this))
        {
            throw new ArgumentException(
                $"{what} contains this {GetType().Name}, and cannot be a part of it.", nameof(module));
        }

        _modules.Add((name, module));
        return module;
    }

    /// <summary>Removes a parameter and frees it.</summary>
    private protected void RemoveParameter(Parameter parameter)
    {
        _parameters.RemoveAll(own => own.Parameter == parameter);
        Device.Release(parameter.Value);
    }

    /// <summary>Removes a part and frees it.</summary>
    private protected void RemoveModule(Module module)
    {
        _modules.RemoveAll(child => child.Module == module);
        module.Dispose();
    }

    /// <summary>The name of a part in a list: its index.</summary>
    private protected static string NameOf(int index) => index.ToString(CultureInfo.InvariantCulture);

    /// <summary>
    /// Returns the layer as a module. It must be one, so that its weights are found, saved and freed.
    /// </summary>
    private protected static Module Part(ILayer layer, string name)
    {
        ArgumentNullException.ThrowIfNull(layer, name);
        return layer as Module ?? throw new ArgumentException(
            $"{name} must be a Module, whose weights can be found; found a {layer.GetType().Name}. Derive it from " +
            "Module, or wrap its function in a Lambda.",
            name);
    }

    /// <summary>Names of this module's own parameters, buffers and parts, not of nested ones.</summary>
    private IEnumerable<string> Names =>
    [
        .. _parameters.Select(own => own.Name),
        .. _buffers.Select(own => own.Name),
        .. _modules.SelectMany(own => own.Name.Length > 0 ? [own.Name] : own.Module.Names),
    ];

    private DeviceArray AllocateFilled(string name, Shape shape, Initializer? initial)
    {
        if (initial is not null && shape.Count > Array.MaxLength)
        {
            throw new NotSupportedException(
                $"First values are written into an array of .NET, of at most {Array.MaxLength} elements; \"{name}\" " +
                $"of shape {shape} has {shape.Count}.");
        }

        DeviceArray array = Device.AllocateOwned(shape);
        try
        {
            if (initial is not null)
            {
                float[] values = new float[shape.Count];
                initial(values);
                array.CopyFrom(values);
            }

            return array;
        }
        catch
        {
            Device.Release(array);
            throw;
        }
    }

    private void RequireFree(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (Names.Contains(name))
        {
            throw new ArgumentException(
                $"This {GetType().Name} has a buffer, part or parameter \"{name}\" already.", nameof(name));
        }
    }
}
