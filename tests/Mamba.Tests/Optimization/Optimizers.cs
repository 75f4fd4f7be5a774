using Mamba.Layers;
using Mamba.Optimization;
using Groups = System.Func<string, Mamba.Layers.Parameter, Mamba.Optimization.ParameterGroup>;

namespace Mamba.Tests.Optimization;

/// <summary>Every optimiser, and what its paper or PyTorch's manual says of one weight, in double.</summary>
internal static class Optimizers
{
    private const double Rate = 1e-2, Beta1 = 0.9, Beta2 = 0.98, Epsilon = 1e-8, Momentum = 0.8, Decay = 0.1;

    /// <summary>Changes a weight and its moments, by name, in step t, counted from 1; with decay λ.</summary>
    public delegate double Rule(double p, double g, Dictionary<string, double> moments, int t, double lambda);

    public static IEnumerable<string> Names => All.Keys;

    private static readonly Dictionary<string, (Func<Module, Groups?, Optimizer> Make, Rule Rule)> All = new()
    {
        ["AdamW"] = (
            (module, groups) => new AdamW(
                module, new() { LearningRate = Rate, Beta2 = Beta2, Epsilon = Epsilon, WeightDecay = Decay }, groups),
            (p, g, moments, t, lambda) => AdamStep(p * (1 - (Rate * lambda)), g, moments, t)),
        ["Adam"] = (
            (module, groups) => new Adam(
                module, new() { LearningRate = Rate, Beta2 = Beta2, Epsilon = Epsilon, WeightDecay = Decay }, groups),
            (p, g, moments, t, lambda) => AdamStep(p, g + (lambda * p), moments, t)),
        ["Sgd"] = (
            (module, groups) => new Sgd(module, new() { LearningRate = Rate, WeightDecay = Decay }, groups),
            (p, g, _, _, lambda) => p - (Rate * (g + (lambda * p)))),
        ["Momentum"] = (
            (module, groups) => new Sgd(
                module, new() { LearningRate = Rate, Momentum = Momentum, WeightDecay = Decay }, groups),
            (p, g, moments, t, lambda) => p - (Rate * Buffer(p, g, moments, t, lambda))),
        ["Nesterov"] = (
            (module, groups) => new Sgd(
                module,
                new() { LearningRate = Rate, Momentum = Momentum, Nesterov = true, WeightDecay = Decay },
                groups),
            (p, g, moments, t, lambda) =>
                p - (Rate * (g + (lambda * p) + (Momentum * Buffer(p, g, moments, t, lambda))))),
        ["Lion"] = (
            (module, groups) =>
                new Lion(module, new() { LearningRate = Rate, Beta2 = Beta2, WeightDecay = Decay }, groups),
            LionStep),
    };

    public static Optimizer Make(string name, Module module, Groups? groups = null) => All[name].Make(module, groups);

    /// <summary>Some steps from the first weights, with the gradients of <see cref="Weights"/>.</summary>
    public static (double[] Weights, Dictionary<string, double[]> Moments) Expected(
        string name, string parameter, float[] first, bool decays, int steps)
    {
        double[] weights = new double[first.Length];
        Dictionary<string, double[]> all = [];
        float[][] gradients = [.. Enumerable.Range(1, steps).Select(t => Weights.Gradient(parameter, first.Length, t))];
        for (int i = 0; i < first.Length; i++)
        {
            double p = first[i];
            Dictionary<string, double> moments = new() { ["mean"] = 0, ["square"] = 0, ["momentum"] = 0 };
            for (int t = 1; t <= steps; t++)
            {
                p = All[name].Rule(p, gradients[t - 1][i], moments, t, decays ? Decay : 0);
            }

            weights[i] = p;
            foreach ((string moment, double value) in moments)
            {
                all.TryAdd(moment, new double[first.Length]);
                all[moment][i] = value;
            }
        }

        return (weights, all);
    }

    /// <summary>Kingma and Ba, arXiv:1412.6980, Algorithm 1.</summary>
    private static double AdamStep(double p, double g, Dictionary<string, double> moments, int t)
    {
        double m = moments["mean"] = (Beta1 * moments["mean"]) + ((1 - Beta1) * g);
        double v = moments["square"] = (Beta2 * moments["square"]) + ((1 - Beta2) * g * g);
        double mHat = m / (1 - Math.Pow(Beta1, t)), vHat = v / (1 - Math.Pow(Beta2, t));
        return p - (Rate * mHat / (Math.Sqrt(vHat) + Epsilon));
    }

    /// <summary>torch.optim.SGD: the buffer is the first gradient, then <c>μ·b + g</c>.</summary>
    private static double Buffer(double p, double g, Dictionary<string, double> moments, int t, double lambda)
    {
        g += lambda * p;
        return moments["momentum"] = t == 1 ? g : (Momentum * moments["momentum"]) + g;
    }

    /// <summary>Chen et al., arXiv:2302.06675, Algorithm 2.</summary>
    private static double LionStep(double p, double g, Dictionary<string, double> moments, int t, double lambda)
    {
        double c = (Beta1 * moments["mean"]) + ((1 - Beta1) * g);
        moments["mean"] = (Beta2 * moments["mean"]) + ((1 - Beta2) * g);
        return p - (Rate * (Math.Sign(c) + (lambda * p)));
    }
}
