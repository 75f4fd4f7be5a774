using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>
/// A gated feed-forward layer: <c>(a·φ(g))·Wᵀ</c>, where one projection computes a and g, and φ is an activation.
/// </summary>
/// <remarks>
/// SwiGLU, with φ = silu, and its relatives: Shazeer, <see href="https://arxiv.org/abs/2002.05202"/>. g is the second
/// half of the projection.
/// </remarks>
/// <example>
/// <code>
/// using GatedMlp mlp = new(device, 64, 256, new Random(1));
/// DeviceArray y = x + mlp.Forward(x);
/// </code>
/// </example>
public sealed class GatedMlp : Module, ILayer
{
    private readonly GatedMlpOptions _options;

    /// <summary>Makes a SwiGLU layer without biases.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="modelDim">Width of the model.</param>
    /// <param name="hiddenDim">Hidden width.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset.</param>
    /// <param name="outputScale">Scale of the second projection's initial weights.</param>
    /// <exception cref="ArgumentOutOfRangeException">A width is below 1.</exception>
    public GatedMlp(Device device, int modelDim, int hiddenDim, Random? random, double outputScale = 1)
        : this(device, new() { ModelDim = modelDim, HiddenDim = hiddenDim }, random, outputScale)
    {
    }

    /// <summary>Makes the layer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="options">Sizes and options.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset.</param>
    /// <param name="outputScale">Scale of the second projection's initial weights.</param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    public GatedMlp(Device device, GatedMlpOptions options, Random? random, double outputScale = 1)
        : base(device)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options;
        (int model, int hidden) = (options.ModelDim, options.HiddenDim);
        In = AddModule("in", new Linear(device, model, 2 * hidden, options.Bias, random));
        Out = AddModule("out", new Linear(device, hidden, model, options.Bias, random, outputScale));
    }

    /// <summary>Projection to a and g.</summary>
    public Linear In { get; }

    /// <summary>Projection back to the model's width.</summary>
    public Linear Out { get; }

    /// <summary>Computes the layer for every token.</summary>
    /// <param name="x">Shape [.., modelDim].</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">x has another width.</exception>
    public DeviceArray Forward(DeviceArray x) => Forward(x, default);

    /// <summary>The same, with an array added to a and g side by side, unless it is absent.</summary>
    internal DeviceArray Forward(DeviceArray x, DeviceArray start)
    {
        int hidden = _options.HiddenDim;
        DeviceArray both = In.Multiply(x, Optional(In.Bias), start);
        DeviceArray a = both.Slice(0, hidden), g = Functions.Scaled(both.Slice(hidden, hidden), _options.GateScale);
        DeviceArray gated = _options.Activation == Activation.Silu
            ? Functions.Gate(a, g)
            : Functions.Multiply(a, _options.Activation.Apply(g));
        return Functions.Scaled(Out.Forward(gated), _options.OutScale);
    }
}
