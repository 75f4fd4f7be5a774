using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>The feed-forward layer of transformers: <c>φ(x·W₁ᵀ + b₁)·W₂ᵀ + b₂</c>, with an activation φ.</summary>
/// <remarks>
/// Vaswani et al., <see href="https://arxiv.org/abs/1706.03762"/>, section 3.3, by default with GELU (Hendrycks and
/// Gimpel, <see href="https://arxiv.org/abs/1606.08415"/>) in place of ReLU.
/// </remarks>
/// <example>
/// <code>
/// using Mlp mlp = new(device, 64, 256, random);
/// DeviceArray y = x + mlp.Forward(x);
/// </code>
/// </example>
public sealed class Mlp : Module, ILayer
{
    private readonly Activation _activation;

    /// <summary>Makes the layer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="modelDim">Width of the model.</param>
    /// <param name="hiddenDim">Hidden width.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset.</param>
    /// <param name="bias">Whether to add biases.</param>
    /// <param name="activation">φ.</param>
    /// <param name="outputScale">Scale of the second projection's initial weights.</param>
    /// <exception cref="ArgumentOutOfRangeException">A width is below 1.</exception>
    public Mlp(
        Device device,
        int modelDim,
        int hiddenDim,
        Random? random,
        bool bias = true,
        Activation activation = Activation.Gelu,
        double outputScale = 1)
        : this(
            device,
            new() { ModelDim = modelDim, HiddenDim = hiddenDim, Bias = bias, Activation = activation },
            random,
            outputScale)
    {
    }

    /// <summary>Makes the layer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="options">Sizes and options.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset.</param>
    /// <param name="outputScale">Scale of the second projection's initial weights.</param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    public Mlp(Device device, MlpOptions options, Random? random, double outputScale = 1)
        : base(device)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _activation = options.Activation;
        (int model, int hidden) = (options.ModelDim, options.HiddenDim);
        In = AddModule("in", new Linear(device, model, hidden, options.Bias, random));
        Out = AddModule("out", new Linear(device, hidden, model, options.Bias, random, outputScale));
    }

    /// <summary>W₁ and b₁.</summary>
    public Linear In { get; }

    /// <summary>W₂ and b₂, the projection back to the model's width.</summary>
    public Linear Out { get; }

    /// <summary>Computes the layer for every token.</summary>
    /// <param name="x">Shape [.., modelDim].</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">x has another width.</exception>
    public DeviceArray Forward(DeviceArray x) => Out.Forward(_activation.Apply(In.Forward(x)));
}
