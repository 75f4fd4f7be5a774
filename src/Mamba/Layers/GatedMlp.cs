using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>A feed-forward layer with a gate: <c>(a·silu(g))·Wᵀ</c>, where one projection makes a and g.</summary>
/// <remarks>SwiGLU: Shazeer, <see href="https://arxiv.org/abs/2002.05202"/>. The gate is the second half.</remarks>
/// <example>
/// <code>
/// using GatedMlp mlp = new(device, 64, 256, new Random(1));
/// DeviceArray y = x + mlp.Forward(x);
/// </code>
/// </example>
public sealed class GatedMlp : Module, ILayer
{
    private readonly int _hiddenDim;

    /// <summary>Makes the layer.</summary>
    /// <param name="device">Where the weights live.</param>
    /// <param name="modelDim">Width of the model.</param>
    /// <param name="hiddenDim">Width inside.</param>
    /// <param name="random">Source of the first weights; null leaves them unset.</param>
    /// <param name="outputScale">Factor of the second projection's first weights.</param>
    public GatedMlp(Device device, int modelDim, int hiddenDim, Random? random, double outputScale = 1)
        : base(device)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(hiddenDim);
        _hiddenDim = hiddenDim;
        In = AddModule("in", new Linear(device, modelDim, 2 * hiddenDim, false, random));
        Out = AddModule("out", new Linear(device, hiddenDim, modelDim, false, random, outputScale));
    }

    /// <summary>Makes a and g.</summary>
    public Linear In { get; }

    /// <summary>Back to the model's width.</summary>
    public Linear Out { get; }

    /// <summary>Computes the layer for every token.</summary>
    /// <param name="x">Shape [.., modelDim].</param>
    /// <returns>The same shape.</returns>
    public DeviceArray Forward(DeviceArray x)
    {
        DeviceArray both = In.Forward(x);
        return Out.Forward(Functions.Gate(both.Slice(0, _hiddenDim), both.Slice(_hiddenDim, _hiddenDim)));
    }
}
