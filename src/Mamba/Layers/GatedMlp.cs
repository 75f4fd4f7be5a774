using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>A gated feed-forward layer: <c>(a·silu(g))·Wᵀ</c>, where one projection computes a and g.</summary>
/// <remarks>
/// SwiGLU: Shazeer, <see href="https://arxiv.org/abs/2002.05202"/>. g is the second half of the projection.
/// </remarks>
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
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="modelDim">Width of the model.</param>
    /// <param name="hiddenDim">Hidden width.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset.</param>
    /// <param name="outputScale">Scale of the second projection's initial weights.</param>
    public GatedMlp(Device device, int modelDim, int hiddenDim, Random? random, double outputScale = 1)
        : base(device)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(hiddenDim);
        _hiddenDim = hiddenDim;
        In = AddModule("in", new Linear(device, modelDim, 2 * hiddenDim, false, random));
        Out = AddModule("out", new Linear(device, hiddenDim, modelDim, false, random, outputScale));
    }

    /// <summary>Projection to a and g.</summary>
    public Linear In { get; }

    /// <summary>Projection back to the model's width.</summary>
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
