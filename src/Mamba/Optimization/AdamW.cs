using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Optimization;

/// <summary>Adam with decoupled weight decay.</summary>
/// <remarks>
/// Loshchilov and Hutter, <see href="https://arxiv.org/abs/1711.05101"/>, Algorithm 2, in PyTorch's form: weights
/// shrink by <c>1 - η·λ</c> and then move by <c>η·m̂/(√v̂ + ε)</c>.
/// </remarks>
/// <example>
/// <code>
/// using AdamW optimizer = new(module, new() { LearningRate = 1e-3, WeightDecay = 0.1 });
/// module.ClearGradients();
/// tape.Backward(loss);
/// optimizer.Step();
/// </code>
/// </example>
public sealed class AdamW : Optimizer
{
    private readonly AdamWOptions _options;

    /// <summary>Makes an optimiser of a module's trainable parameters.</summary>
    /// <param name="module">The module.</param>
    /// <param name="options">The settings.</param>
    /// <param name="groups">
    /// Chooses the group of a parameter, by its name; null applies weight decay where <see cref="Parameter.Decays"/> is
    /// true.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A setting is out of its range.</exception>
    public AdamW(Module module, AdamWOptions options, Func<string, Parameter, ParameterGroup>? groups = null)
        : base(module, options, groups, "mean", "square") => _options = options;

    /// <inheritdoc/>
    protected override void Update(
        Parameter parameter, ReadOnlySpan<DeviceArray> moments, double learningRate, double weightDecay) =>
        parameter.Value.Device.AdamWUpdate(
            parameter.Value,
            parameter.Gradient,
            moments[0],
            moments[1],
            new(learningRate, _options.Beta1, _options.Beta2, _options.Epsilon, weightDecay, Steps));
}
