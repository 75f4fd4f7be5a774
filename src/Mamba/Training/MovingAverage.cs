using Mamba.Devices;
using Mamba.Layers;

namespace Mamba.Training;

/// <summary>
/// The exponential moving average of a module's trainable weights:
/// <c>average ← average + (1 - decay)·(weight - average)</c>, from the weights as they are when it is made.
/// </summary>
/// <remarks>Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.</remarks>
public sealed class MovingAverage : IDisposable
{
    private readonly List<(Parameter Parameter, DeviceArray Average)> _parameters = [];
    private readonly List<(string Name, DeviceArray Array)> _state = [];
    private readonly double _decay;

    /// <summary>Begins to average.</summary>
    /// <param name="module">The module.</param>
    /// <param name="decay">How much of the average is kept at each update, from 0 to below 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The decay is not a number from 0 to below 1.</exception>
    public MovingAverage(Module module, double decay)
    {
        ArgumentNullException.ThrowIfNull(module);
        Setting.RequireDecay(decay, nameof(decay));
        _decay = decay;
        foreach ((string name, Parameter parameter) in module.Parameters.Where(named => named.Parameter.IsTrainable))
        {
            DeviceArray average = module.Device.AllocateOwned(parameter.Value.Shape);
            module.Device.Copy(parameter.Value, average);
            _parameters.Add((parameter, average));
            _state.Add(($"average.{name}", average));
        }
    }

    /// <summary>Whether the module has the averages now, and this the weights.</summary>
    public bool IsSwapped { get; private set; }

    /// <summary>The averages, to save and restore: named <c>average.blocks.0.norm.weight</c> and the like.</summary>
    public IReadOnlyList<(string Name, DeviceArray Array)> State => _state;

    /// <summary>Moves the averages towards the weights; after a step of the optimiser.</summary>
    /// <exception cref="InvalidOperationException">Weights and averages are swapped.</exception>
    public void Update()
    {
        if (IsSwapped)
        {
            throw new InvalidOperationException("The module has the averages, not its weights; swap them back first.");
        }

        foreach ((Parameter parameter, DeviceArray average) in _parameters)
        {
            using DeviceScope scope = average.Device.Scope();
            DeviceArray difference = CopyOf(parameter.Value);
            average.Device.AddScaled(average, -1f, difference);
            average.Device.AddScaled(difference, (float)(1 - _decay), average);
        }
    }

    /// <summary>Exchanges weights and averages: to evaluate or save the average, and again to go on training.</summary>
    public void Swap()
    {
        foreach ((Parameter parameter, DeviceArray average) in _parameters)
        {
            using DeviceScope scope = average.Device.Scope();
            DeviceArray weights = CopyOf(parameter.Value);
            average.Device.Copy(average, parameter.Value);
            average.Device.Copy(weights, average);
        }

        IsSwapped = !IsSwapped;
    }

    /// <summary>Frees the averages.</summary>
    public void Dispose()
    {
        foreach ((_, DeviceArray average) in _state)
        {
            average.Device.Free(average);
        }

        _state.Clear();
        _parameters.Clear();
    }

    private static DeviceArray CopyOf(DeviceArray array)
    {
        DeviceArray copy = array.Device.Allocate(array.Shape);
        array.Device.Copy(array, copy);
        return copy;
    }
}
