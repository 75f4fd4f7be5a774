using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Optimization;

/// <summary>Changes the weights of a module by their gradients, step by step.</summary>
/// <remarks>
/// To resume a run, make an optimiser with the same settings, set <see cref="Steps"/> and write <see cref="State"/>:
/// the next steps have the bits of a run that never stopped.
/// <para>
/// A step writes weights. No other thread may compute with the module during it; a thread whose tape records its
/// weights is refused.
/// </para>
/// <para>
/// A derived optimiser names its moments, and its <see cref="Update"/> changes one parameter. This class provides
/// groups, learning rates, weight decay, saved state and the use by <c>Trainer</c>.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// Optimizer[] choices = [new AdamW(module, new()), new Sgd(module, new() { Momentum = 0.9 })];
/// tape.Backward(loss);
/// choices[0].Step(learningRate: 1e-3);
/// </code>
/// </example>
public abstract class Optimizer : IDisposable
{
    /// <summary>The largest number of <see cref="Steps"/> that is counted: β to its power is 0 long before.</summary>
    internal const int MostSteps = 1 << 30;

    private readonly List<Entry> _parameters = [];
    private readonly List<(string Name, DeviceArray Array)> _state = [];
    private readonly OptimizerOptions _options;
    private readonly Device _device;
    private readonly double _largestScale;
    private bool _isDisposed;

    /// <summary>Makes an optimiser of a module's trainable parameters.</summary>
    /// <param name="module">The module.</param>
    /// <param name="options">The settings.</param>
    /// <param name="groups">
    /// Chooses the group of a parameter, by its name; null applies weight decay where <see cref="Parameter.Decays"/> is
    /// true.
    /// </param>
    /// <param name="moments">
    /// Names of the moments: for each name, every parameter has one array of its shape, initially zero.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A setting is out of its range.</exception>
    /// <exception cref="InvalidOperationException">The module has nothing to train.</exception>
    protected Optimizer(
        Module module,
        OptimizerOptions options,
        Func<string, Parameter, ParameterGroup>? groups,
        params ReadOnlySpan<string> moments)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        _device = module.Device;
        using DeviceScope scope = _device.Scope();
        try
        {
            foreach ((string name, Parameter parameter) in Trainable(module))
            {
                ParameterGroup group = groups?.Invoke(name, parameter) ?? new(Decays: parameter.Decays);
                Setting.RequireFloat(group.LearningRateScale, nameof(group.LearningRateScale));
                _largestScale = Math.Max(_largestScale, group.LearningRateScale);
                _parameters.Add(new(name, parameter, group, Moments(name, parameter.Value.Shape, moments)));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Steps taken, counted to 2^30; set when a saved run is resumed.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative.</exception>
    public int Steps
    {
        get;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            field = value;
        }
    }

    /// <summary>The step size of the settings.</summary>
    public double LearningRate => _options.LearningRate;

    /// <summary>
    /// The moments, to save and restore: arrays of the shapes of the parameters, with names such as
    /// <c>mean.blocks.0.norm.weight</c>.
    /// </summary>
    public IReadOnlyList<(string Name, DeviceArray Array)> State => _state;

    /// <summary>The settings, for a run to remember.</summary>
    internal OptimizerOptions Options => _options;

    /// <summary>The parameters that steps change, each with its group.</summary>
    internal IEnumerable<(Parameter Parameter, ParameterGroup Group)> Groups =>
        _parameters.Select(entry => (entry.Parameter, entry.Group));

    /// <summary>The parameters that steps change.</summary>
    internal IEnumerable<Parameter> Parameters => _parameters.Select(entry => entry.Parameter);

    /// <summary>
    /// Changes every weight by its gradient, and clears the gradients. A parameter that was frozen since the optimiser
    /// was made, or that no tape has reached, stays.
    /// </summary>
    /// <param name="learningRate">Learning rate of this step; null takes it from the settings.</param>
    /// <exception cref="InvalidOperationException">
    /// Since the optimiser was made, one of its parameters was narrowed, or all were frozen. Nothing was changed.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The step size, or its product with a group's scale, is negative, not a number, or beyond a float.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The optimiser has been disposed.</exception>
    public void Step(double? learningRate = null)
    {
        if (_isDisposed)
        {
            throw new ObjectDisposedException(GetType().Name, $"This {GetType().Name} has been disposed.");
        }

        double rate = learningRate ?? LearningRate;
        Setting.RequireFloat(rate, nameof(learningRate));
        Setting.Require(
            float.IsFinite((float)(rate * _largestScale)), nameof(learningRate),
            "a number that a float still holds when multiplied by every LearningRateScale", rate);
        if (Obstacle() is { } obstacle)
        {
            throw new InvalidOperationException(obstacle);
        }

        foreach ((_, Parameter parameter, _, _) in _parameters)
        {
            parameter.Value.Storage.RequireUnclaimed();
        }

        using DeviceScope scope = _device.Scope();
        using Tape.Suspension pause = Tape.Suspend(_device);
        Steps = Math.Max(Steps, Math.Min(Steps, MostSteps - 1) + 1);
        foreach ((_, Parameter parameter, ParameterGroup group, DeviceArray[] moments) in _parameters)
        {
            if (parameter.IsTrainable && parameter.Gradient.Exists)
            {
                Update(parameter, moments, rate * group.LearningRateScale, group.Decays ? _options.WeightDecay : 0);
                parameter.ClearGradient();
            }
        }
    }

    /// <summary>The kind and the settings, in words.</summary>
    public override string ToString() => _options.ToString();

    /// <summary>Frees the state.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        foreach ((_, DeviceArray array) in _state)
        {
            _device.Release(array);
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>
    /// Describes why a step would leave weights as they are: one was narrowed since the optimiser was made, or all were
    /// frozen; null if a step can train.
    /// </summary>
    internal string? Obstacle()
    {
        bool canTrain = false;
        foreach (Entry entry in _parameters)
        {
            if (entry.Parameter.IsFrozenByNarrowing)
            {
                return $"\"{entry.Name}\" was stored as {entry.Parameter.Value.Precision} after this " +
                    $"{GetType().Name} was made, and cannot be trained. Store it as Float32 with Narrow, say that it " +
                    "shall not be trained (IsTrainable = false), or make the optimiser after adapters (LowRank.Adapt).";
            }

            canTrain |= entry.Parameter.IsTrainable;
        }

        return canTrain
            ? null
            : $"None of the {_parameters.Count} parameters of this {GetType().Name} is trainable any more, " +
                $"\"{_parameters[0].Name}\" among them: they were frozen (LowRank.Adapt freezes all), or the module " +
                "was disposed. Unfreeze what shall be trained (IsTrainable = true), or make the optimiser after " +
                "adapters.";
    }

    /// <summary>
    /// Updates a parameter by its gradient, which is invalid afterwards. <see cref="Steps"/> includes this step.
    /// </summary>
    /// <param name="parameter">
    /// The parameter. Its value is changed in place, by <see cref="DeviceArray.CopyFrom(DeviceArray)"/> of what
    /// functions compute; no tape records them.
    /// </param>
    /// <param name="moments">
    /// Its moments, in the order of the constructor's names; changed in place.
    /// </param>
    /// <param name="learningRate">Step size, with the group's scale.</param>
    /// <param name="weightDecay">λ; 0 if the parameter does not decay.</param>
    protected abstract void Update(
        Parameter parameter, ReadOnlySpan<DeviceArray> moments, double learningRate, double weightDecay);

    /// <summary>The parameters of a module that training can change.</summary>
    private static (string Name, Parameter Parameter)[] Trainable(Module module)
    {
        (string Name, Parameter Parameter)[] all = [.. module.Parameters];
        string[] narrow = [.. all.Where(named => named.Parameter.IsFrozenByNarrowing).Select(named => named.Name)];
        if (narrow.Length > 0)
        {
            throw new InvalidOperationException(
                $"{narrow.Length} matrices are narrow and cannot be trained, \"{narrow[0]}\" among them. Store them " +
                "as Float32 with Narrow, train adapters beside them (LowRank.Adapt), or say that they shall not be " +
                "trained (IsTrainable = false).");
        }

        all = Array.FindAll(all, named => named.Parameter.IsTrainable);
        if (all.Length == 0)
        {
            throw new InvalidOperationException(
                $"This {module.GetType().Name} has no trainable parameter: all are frozen, or it has been disposed.");
        }

        return all.FirstOrDefault(named => named.Parameter.Value.Storage.IsUnset) is ({ } unset, _)
            ? throw new InvalidOperationException(
                $"The weights \"{unset}\" were never set: the module was made with random: null, for a loader to fill.")
            : all;
    }

    private DeviceArray[] Moments(string name, Shape shape, ReadOnlySpan<string> moments)
    {
        DeviceArray[] arrays = new DeviceArray[moments.Length];
        for (int i = 0; i < arrays.Length; i++)
        {
            arrays[i] = _device.AllocateOwned(shape);
            _state.Add(($"{moments[i]}.{name}", arrays[i]));
            _device.Fill(arrays[i], 0f);
        }

        return arrays;
    }

    /// <summary>A parameter that steps change, its group, and what is remembered of it.</summary>
    private readonly record struct Entry(
        string Name, Parameter Parameter, ParameterGroup Group, DeviceArray[] Moments);
}
