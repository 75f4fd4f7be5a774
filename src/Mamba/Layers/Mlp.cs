using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>The feed-forward layer of transformers: <c>gelu(x·W₁ᵀ + b₁)·W₂ᵀ + b₂</c>.</summary>
/// <remarks>
/// Vaswani et al., <see href="https://arxiv.org/abs/1706.03762"/>, section 3.3, with GELU (Hendrycks and Gimpel,
/// <see href="https://arxiv.org/abs/1606.08415"/>) in place of ReLU.
/// </remarks>
public sealed class Mlp : Module, ILayer
{
    private readonly bool _isTanh;

    /// <summary>Makes the layer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="modelDim">Width of the model.</param>
    /// <param name="hiddenDim">Hidden width.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset.</param>
    /// <param name="bias">Whether to add biases.</param>
    /// <param name="tanh">Whether to use the tanh approximation of GELU: <see cref="Functions.GeluTanh"/>.</param>
    /// <param name="outputScale">Scale of the second projection's initial weights.</param>
    /// <exception cref="ArgumentOutOfRangeException">The hidden width is below 1.</exception>
    public Mlp(
        Device device,
        int modelDim,
        int hiddenDim,
        Random? random,
        bool bias = true,
        bool tanh = false,
        double outputScale = 1)
        : base(device)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(hiddenDim);
        _isTanh = tanh;
        In = AddModule("in", new Linear(device, modelDim, hiddenDim, bias, random));
        Out = AddModule("out", new Linear(device, hiddenDim, modelDim, bias, random, outputScale));
    }

    /// <summary>W₁ and b₁.</summary>
    public Linear In { get; }

    /// <summary>W₂ and b₂, the projection back to the model's width.</summary>
    public Linear Out { get; }

    /// <summary>Computes the layer for every token.</summary>
    /// <param name="x">Shape [.., modelDim].</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">x has another width.</exception>
    public DeviceArray Forward(DeviceArray x)
    {
        DeviceArray inner = In.Forward(x);
        return Out.Forward(_isTanh ? Functions.GeluTanh(inner) : Functions.Gelu(inner));
    }
}
