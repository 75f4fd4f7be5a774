using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Optimization;

/// <summary>Adam, whose weight decay is a part of the gradient.</summary>
/// <remarks>
/// Kingma and Ba, <see href="https://arxiv.org/abs/1412.6980"/>, Algorithm 1; weight decay as in PyTorch's Adam:
/// <c>λ·p</c> is added to the gradient, and so goes through the moments. <see cref="AdamW"/> keeps it apart.
/// </remarks>
/// <example>
/// <code>
/// using Adam optimizer = new(module, new() { LearningRate = 1e-3, Beta2 = 0.99 });
/// tape.Backward(loss);
/// optimizer.Step();
/// </code>
/// </example>
public sealed class Adam : Optimizer
{
    private readonly AdamOptions _options;

    /// <summary>Makes an optimiser of a module's trainable parameters.</summary>
    /// <param name="module">The module.</param>
    /// <param name="options">The settings.</param>
    /// <param name="groups">
    /// Chooses the group of a parameter, by its name; null applies weight decay where <see cref="Parameter.Decays"/> is
    /// true.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A setting is out of its range.</exception>
    public Adam(Module module, AdamOptions options, Func<string, Parameter, ParameterGroup>? groups = null)
        : base(module, options, groups, "mean", "square") => _options = options;

    /// <inheritdoc/>
    protected override void Update(
        Parameter parameter, ReadOnlySpan<DeviceArray> moments, double learningRate, double weightDecay)
    {
        Device device = parameter.Value.Device;
        device.AddScaled(parameter.Value, (float)weightDecay, parameter.Gradient);
        device.AdamWUpdate(
            parameter.Value,
            parameter.Gradient,
            moments[0],
            moments[1],
            new(learningRate, _options.Beta1, _options.Beta2, _options.Epsilon, 0, Steps));
    }
}
