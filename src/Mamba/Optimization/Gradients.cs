using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Optimization;

/// <summary>The gradients of a module as one vector.</summary>
/// <example>
/// <code>
/// tape.Backward(loss);
/// double norm = Gradients.Clip(module, limit: 1);
/// optimizer.Step();
/// </code>
/// </example>
public static class Gradients
{
    /// <summary>Computes the Euclidean norm of all gradients.</summary>
    /// <param name="module">The module.</param>
    /// <returns>The norm; NaN or infinity if a gradient is not finite.</returns>
    public static double Norm(Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        double sum = 0;
        using DeviceScope scope = module.Device.Scope();
        foreach ((_, Parameter parameter) in module.Parameters)
        {
            if (parameter.Gradient is { Exists: true } gradient)
            {
                sum += gradient.Device.SumOfSquares(gradient);
            }
        }

        return Math.Sqrt(sum);
    }

    /// <summary>
    /// Scales all gradients by <c>min(1, limit / (norm + 1e-6))</c>; does not change them if the norm is NaN or
    /// infinite, so that the caller can clear them and skip the step.
    /// </summary>
    /// <param name="module">The module.</param>
    /// <param name="limit">The largest norm.</param>
    /// <returns>The norm before; NaN or infinity if a gradient is not finite.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The limit is not positive.</exception>
    /// <remarks>
    /// Pascanu et al., <see href="https://arxiv.org/abs/1211.5063"/>, Algorithm 1, with PyTorch's 1e-6.
    /// </remarks>
    public static double Clip(Module module, double limit)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit);
        double norm = Norm(module);
        double factor = limit / (norm + 1e-6);
        if (factor < 1 && double.IsFinite(norm))
        {
            using DeviceScope scope = module.Device.Scope();
            foreach ((_, Parameter parameter) in module.Parameters)
            {
                if (parameter.Gradient is { Exists: true } gradient)
                {
                    gradient.Device.Scale(gradient, (float)factor, gradient);
                }
            }
        }

        return norm;
    }
}
