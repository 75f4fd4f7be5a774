using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Optimization;

/// <summary>Stochastic gradient descent, with momentum where it is asked for.</summary>
/// <remarks>
/// As PyTorch's SGD without dampening: <c>g ← g + λ·p</c>, <c>m ← μ·m + g</c>, then <c>p ← p - η·m</c>, or with
/// Nesterov's momentum <c>p ← p - η·(g + μ·m)</c>: Sutskever et al., On the importance of initialization and momentum,
/// 2013.
/// </remarks>
/// <example>
/// <code>
/// using Sgd optimizer = new(module, new() { LearningRate = 0.1, Momentum = 0.9, Nesterov = true });
/// tape.Backward(loss);
/// optimizer.Step();
/// </code>
/// </example>
public sealed class Sgd : Optimizer
{
    private readonly SgdOptions _options;

    /// <summary>Makes an optimiser of a module's trainable parameters.</summary>
    /// <param name="module">The module.</param>
    /// <param name="options">The settings.</param>
    /// <param name="groups">
    /// Chooses the group of a parameter, by its name; null applies weight decay where <see cref="Parameter.Decays"/> is
    /// true.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A setting is out of its range.</exception>
    public Sgd(Module module, SgdOptions options, Func<string, Parameter, ParameterGroup>? groups = null)
        : base(module, options, groups, options is { Momentum: > 0 } ? ["momentum"] : []) => _options = options;

    /// <inheritdoc/>
    protected override void Update(
        Parameter parameter, ReadOnlySpan<DeviceArray> moments, double learningRate, double weightDecay)
    {
        DeviceArray p = parameter.Value, step = parameter.Gradient;
        Device device = p.Device;
        device.AddScaled(p, (float)weightDecay, step);
        if (moments is [DeviceArray momentum])
        {
            device.Scale(momentum, (float)_options.Momentum, momentum);
            device.AddScaled(step, 1f, momentum);
            if (_options.Nesterov)
            {
                device.AddScaled(momentum, (float)_options.Momentum, step);
            }
            else
            {
                step = momentum;
            }
        }

        device.AddScaled(step, (float)-learningRate, p);
    }
}
