using Mamba.Devices;
using Mamba.Kernels;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Optimization;

/// <summary>Lion: every weight moves by the learning rate, in the direction of its gradients' mean.</summary>
/// <remarks>
/// Chen et al., <see href="https://arxiv.org/abs/2302.06675"/>, Algorithm 2: <c>c = β₁·m + (1 - β₁)·g</c>,
/// <c>p ← p - η·(sign(c) + λ·p)</c>, <c>m ← β₂·m + (1 - β₂)·g</c>. The authors use a learning rate that is 3 to 10
/// times smaller than AdamW's, and a weight decay that is as many times larger.
/// </remarks>
/// <example>
/// <code>
/// using Lion optimizer = new(module, new() { LearningRate = 1e-4, WeightDecay = 0.3 });
/// tape.Backward(loss);
/// optimizer.Step();
/// </code>
/// </example>
public sealed class Lion : Optimizer
{
    private readonly LionOptions _options;

    /// <summary>Makes an optimiser of a module's trainable parameters.</summary>
    /// <param name="module">The module.</param>
    /// <param name="options">The settings.</param>
    /// <param name="groups">
    /// Chooses the group of a parameter, by its name; null applies weight decay where <see cref="Parameter.Decays"/> is
    /// true.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A setting is out of its range.</exception>
    public Lion(Module module, LionOptions options, Func<string, Parameter, ParameterGroup>? groups = null)
        : base(module, options, groups, "mean") => _options = options;

    /// <inheritdoc/>
    protected override void Update(
        Parameter parameter, ReadOnlySpan<DeviceArray> moments, double learningRate, double weightDecay)
    {
        DeviceArray p = parameter.Value, mean = moments[0], change = parameter.Gradient;
        Device device = p.Device;
        using DeviceScope scope = device.Scope();
        DeviceArray c = device.Allocate(p.Shape);

        // m + (1 - β)·(g - m): factors β and 1 - β, each rounded to float32, would not add up to 1.
        device.AddScaled(mean, -1f, change);
        device.Copy(mean, c);
        device.AddScaled(change, (float)(1 - _options.Beta1), c);
        device.AddScaled(change, (float)(1 - _options.Beta2), mean);
        device.Map<Elementwise.Sign>(c, c);
        device.AddScaled(p, (float)weightDecay, c);
        device.AddScaled(c, (float)-learningRate, p);
    }
}
