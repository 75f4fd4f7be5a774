using Mamba.Autograd;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Optimization;

namespace Mamba.Consumer;

/// <summary>The settings of <see cref="SignDescent"/>.</summary>
internal sealed record SignDescentOptions : OptimizerOptions
{
    public float Momentum { get; init; } = 0.9f;

    public override IReadOnlyList<(string Name, object Value)> ListSettings() => [("momentum", Momentum)];
}

/// <summary>Sign descent with momentum: <c>m ← μ·m + g</c>, <c>p ← p - η·(sign(m) + λ·p)</c>.</summary>
internal sealed class SignDescent(Module module, SignDescentOptions options)
    : Optimizer(module, options, null, "momentum")
{
    protected override void Update(
        Parameter parameter, ReadOnlySpan<DeviceArray> moments, double learningRate, double weightDecay)
    {
        DeviceArray p = parameter.Value, m = moments[0];
        m.CopyFrom((m * options.Momentum) + parameter.Gradient);
        DeviceArray sign = Functions.Tanh(m * 1e30f);
        p.CopyFrom((p * (float)(1 - (learningRate * weightDecay))) - (sign * (float)learningRate));
    }
}
