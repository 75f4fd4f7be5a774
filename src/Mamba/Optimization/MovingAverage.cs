using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Optimization;

/// <summary>
/// The exponential moving average of a module's trainable weights:
/// <c>average ← average + (1 - decay)·(weight - average)</c>, starting from the current weights.
/// </summary>
/// <remarks>Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.</remarks>
/// <example>
/// <code>
/// using MovingAverage average = new(module, decay: 0.999);
/// optimizer.Step();
/// average.Update();
/// average.Swap();                            // the module has the averages now: evaluate
/// average.Swap();                            // and its own weights again
/// </code>
/// </example>
public sealed class MovingAverage : IDisposable
{
    private readonly List<(Parameter Parameter, DeviceArray Average)> _parameters = [];
    private readonly List<(string Name, DeviceArray Array)> _state = [];
    private readonly double _decay;
    private readonly Device _device;

    /// <summary>Begins to average.</summary>
    /// <param name="module">The module.</param>
    /// <param name="decay">EMA decay: the fraction of the average that each update keeps, from 0 to below 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The decay is not a number from 0 to below 1.</exception>
    /// <exception cref="InvalidOperationException">Weights were never set.</exception>
    public MovingAverage(Module module, double decay)
    {
        ArgumentNullException.ThrowIfNull(module);
        Setting.RequireDecay(decay, nameof(decay));
        _decay = decay;
        _device = module.Device;
        using DeviceScope scope = _device.Scope();
        try
        {
            foreach (
                (string name, Parameter parameter) in module.Parameters.Where(named => named.Parameter.IsTrainable))
            {
                parameter.RequireSet(name);
                DeviceArray average = _device.AllocateOwned(parameter.Value.Shape);
                _state.Add(($"average.{name}", average));
                _device.Copy(parameter.Value, average);
                _parameters.Add((parameter, average));
            }
        }
        catch
        {
            Dispose();
            throw;
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
            using DeviceScope scope = _device.Scope();
            DeviceArray difference = _device.Allocate(average.Shape);
            _device.Copy(parameter.Value, difference);
            _device.AddScaled(average, -1f, difference);
            _device.AddScaled(difference, (float)(1 - _decay), average);
        }
    }

    /// <summary>Exchanges weights and averages: to evaluate or save the average, and again to go on training.</summary>
    public void Swap()
    {
        // Allocates for the largest first, so that a failure cannot leave half of them swapped.
        using DeviceScope scope = _device.Scope();
        int largest = checked((int)_parameters.Select(entry => entry.Average.Shape.Count).DefaultIfEmpty().Max());
        DeviceArray memory = _device.Zeros([largest]);
        foreach ((Parameter parameter, DeviceArray average) in _parameters)
        {
            DeviceArray weights = new(memory.Storage, 0, average.Shape, average.Shape.Width);
            _device.Copy(parameter.Value, weights);
            _device.Copy(average, parameter.Value);
            _device.Copy(weights, average);
        }

        IsSwapped = !IsSwapped;
    }

    /// <summary>Frees the averages.</summary>
    public void Dispose()
    {
        foreach ((_, DeviceArray average) in _state)
        {
            _device.Release(average);
        }
    }
}
