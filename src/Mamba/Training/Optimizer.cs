using Mamba.Devices;
using Mamba.Layers;

namespace Mamba.Training;

/// <summary>Changes the weights of a module by their gradients, step by step.</summary>
/// <remarks>
/// A run is resumed by a new optimiser of the same settings whose <see cref="Steps"/> are set and whose
/// <see cref="State"/> is written: what follows has the bits of a run that never stopped.
/// </remarks>
public abstract class Optimizer : IDisposable
{
    private readonly List<(Parameter Parameter, ParameterGroup Group, DeviceArray[] Moments)> _parameters = [];
    private readonly List<(string Name, DeviceArray Array)> _state = [];
    private readonly OptimizerOptions _options;

    private protected Optimizer(
        Module module,
        OptimizerOptions options,
        Func<string, Parameter, ParameterGroup>? groups,
        params ReadOnlySpan<string> moments)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        foreach ((string name, Parameter parameter) in module.Parameters.Where(named => named.Parameter.IsTrainable))
        {
            ParameterGroup group = groups?.Invoke(name, parameter) ?? new(Decays: parameter.Decays);
            Setting.RequireIn(group.LearningRateScale, double.MaxValue, nameof(group.LearningRateScale));
            DeviceArray[] arrays = new DeviceArray[moments.Length];
            for (int i = 0; i < arrays.Length; i++)
            {
                arrays[i] = module.Device.AllocateOwned(parameter.Value.Shape);
                module.Device.Fill(arrays[i], 0f);
                _state.Add(($"{moments[i]}.{name}", arrays[i]));
            }

            _parameters.Add((parameter, group, arrays));
        }
    }

    /// <summary>Steps taken; set when a saved run is resumed.</summary>
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
    /// What is remembered from step to step, to save and restore: arrays of the shapes of the parameters, named
    /// <c>mean.blocks.0.norm.weight</c> and the like.
    /// </summary>
    public IReadOnlyList<(string Name, DeviceArray Array)> State => _state;

    /// <summary>The settings, for a run to remember.</summary>
    internal OptimizerOptions Options => _options;

    /// <summary>The parameters that steps change, each with its group.</summary>
    internal IEnumerable<(Parameter Parameter, ParameterGroup Group)> Groups =>
        _parameters.Select(entry => (entry.Parameter, entry.Group));

    /// <summary>
    /// Changes every weight by its gradient, and clears the gradients. A parameter that was frozen since, or that no
    /// tape has reached, stays.
    /// </summary>
    /// <param name="learningRate">Step size of this step; null: that of the settings.</param>
    /// <exception cref="ArgumentOutOfRangeException">The step size is negative or not a finite number.</exception>
    public void Step(double? learningRate = null)
    {
        double rate = learningRate ?? LearningRate;
        Setting.RequireIn(rate, double.MaxValue, nameof(learningRate));
        Steps++;
        foreach ((Parameter parameter, ParameterGroup group, DeviceArray[] moments) in _parameters)
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
        foreach ((_, DeviceArray array) in _state)
        {
            array.Device.Free(array);
        }

        _state.Clear();
        _parameters.Clear();
        GC.SuppressFinalize(this);
    }

    /// <summary>
    /// Changes a parameter by its gradient, which is void afterwards; <see cref="Steps"/> count this step.
    /// </summary>
    private protected abstract void Update(
        Parameter parameter, DeviceArray[] moments, double learningRate, double weightDecay);
}
