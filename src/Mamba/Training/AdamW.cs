using Mamba.Devices;
using Mamba.Kernels;
using Mamba.Layers;

namespace Mamba.Training;

/// <summary>Adam with decoupled weight decay.</summary>
/// <remarks>
/// Loshchilov and Hutter, <see href="https://arxiv.org/abs/1711.05101"/>, Algorithm 2, in PyTorch's form: weights shrink by
/// <c>1 - η·λ</c> and then move by <c>η·m̂/(√v̂ + ε)</c>.
/// </remarks>
public sealed class AdamW : IDisposable
{
    private readonly List<(Parameter Parameter, DeviceArray Mean, DeviceArray Square)> _moments = [];
    private readonly AdamWOptions _options;
    private readonly Func<Parameter, bool> _decays;
    private int _steps;

    /// <summary>Makes an optimiser of a module's trainable parameters.</summary>
    /// <param name="module">The module.</param>
    /// <param name="options">The settings.</param>
    /// <param name="decays">Which parameters shrink; null: those that <see cref="Parameter.Decays"/> says.</param>
    /// <exception cref="ArgumentOutOfRangeException">A setting makes no sense.</exception>
    public AdamW(Module module, AdamWOptions options, Func<Parameter, bool>? decays = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        _decays = decays ?? (parameter => parameter.Decays);
        foreach ((_, Parameter parameter) in module.Parameters.Where(named => named.Parameter.IsTrainable))
        {
            _moments.Add((parameter, Zeros(parameter), Zeros(parameter)));
        }
    }

    /// <summary>Changes every weight by its gradient, and clears the gradients.</summary>
    /// <param name="learningRate">Step size of this step; null: that of the settings.</param>
    public void Step(double? learningRate = null)
    {
        _steps++;
        foreach ((Parameter parameter, DeviceArray mean, DeviceArray square) in _moments)
        {
            if (!parameter.Gradient.Exists)
            {
                continue;
            }

            AdamWStep step = new(
                learningRate ?? _options.LearningRate,
                _options.Beta1,
                _options.Beta2,
                _options.Epsilon,
                _decays(parameter) ? _options.WeightDecay : 0,
                _steps);
            parameter.Value.Device.AdamWUpdate(parameter.Value, parameter.Gradient, mean, square, step);
            parameter.ClearGradient();
        }
    }

    /// <summary>Frees the moments.</summary>
    public void Dispose()
    {
        foreach ((_, DeviceArray mean, DeviceArray square) in _moments)
        {
            mean.Device.Free(mean);
            square.Device.Free(square);
        }

        _moments.Clear();
    }

    private static DeviceArray Zeros(Parameter parameter)
    {
        DeviceArray zeros = parameter.Value.Device.AllocateOwned(parameter.Value.Shape);
        zeros.Device.Fill(zeros, 0f);
        return zeros;
    }
}
