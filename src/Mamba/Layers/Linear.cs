using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>A matrix product with an optional bias: <c>y = x·Wᵀ + b</c>.</summary>
/// <example>
/// <code>
/// using Linear linear = new(device, 64, 10, bias: true, new Random(1));
/// DeviceArray logits = linear.Forward(device.Array([32, 64], input)); // [32, 10]
/// </code>
/// </example>
public sealed class Linear : Module, ILayer
{
    /// <summary>Makes the layer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="inputDim">Width of x.</param>
    /// <param name="outputDim">Width of y.</param>
    /// <param name="bias">Whether to add b.</param>
    /// <param name="random">Source of the initial weights, uniform in ±1/√inputDim; null leaves them unset.</param>
    /// <param name="scale">Scale of the initial weights.</param>
    public Linear(Device device, int inputDim, int outputDim, bool bias, Random? random, double scale = 1)
        : base(device)
    {
        Weight = AddParameter(
            "weight", [outputDim, inputDim], Initial.FanIn(random, inputDim, scale), decays: true);
        Bias = bias ? AddParameter("bias", [outputDim], Initial.Constant(random, 0f)) : null;
    }

    /// <summary>Makes a layer with a bias, with initial values from the caller.</summary>
    internal Linear(Device device, Shape weight, Initializer? initial, Initializer? initialBias)
        : base(device)
    {
        Weight = AddParameter("weight", weight, initial, decays: true);
        Bias = AddParameter("bias", [weight[0]], initialBias);
    }

    /// <summary>W, shape [outputDim, inputDim].</summary>
    public Parameter Weight { get; }

    /// <summary>b, shape [outputDim]; null if absent.</summary>
    public Parameter? Bias { get; }

    /// <summary>The low-rank adapter, trained in place of W; null if absent.</summary>
    public LowRankAdapter? Adapter { get; private set; }

    /// <summary>Computes <c>y = x·Wᵀ + b</c>, plus the adapter's output if there is one.</summary>
    /// <param name="x">Shape [.., inputDim].</param>
    /// <returns>Shape [.., outputDim].</returns>
    /// <exception cref="ArgumentException">x has another width.</exception>
    public DeviceArray Forward(DeviceArray x) => Multiply(x, Optional(Bias));

    /// <summary>Adds the output to an array: <c>y = start + x·Wᵀ + b</c>, without a further pass over memory.</summary>
    /// <param name="x">Shape [.., inputDim].</param>
    /// <param name="start">Shape [.., outputDim]; for example a residual stream.</param>
    /// <returns>Shape [.., outputDim].</returns>
    /// <exception cref="ArgumentException">x or the start has another shape.</exception>
    public DeviceArray Forward(DeviceArray x, DeviceArray start)
    {
        DeviceArray.Require(nameof(start), start);
        return Multiply(x, Optional(Bias), start);
    }

    /// <summary>
    /// Computes <c>x·Wᵀ + bias</c> plus the adapter's output. A caller whose next operation adds b passes none.
    /// </summary>
    internal DeviceArray Multiply(DeviceArray x, DeviceArray bias = default, DeviceArray start = default)
    {
        RequireWidth(x, Weight.Value.Shape[1]);
        return Adapter is null
            ? Functions.Linear(x, Weight.Value, bias, start)
            : Functions.LinearWithAdapter(
                x, Weight.Value, bias, Adapter.A.Value, Adapter.B.Value, Adapter.Scale, start);
    }

    /// <summary>The product without an adapter, with its output allocated, for an operation that includes it.</summary>
    internal LinearOperation OperationOn(DeviceArray x, DeviceArray bias = default)
    {
        RequireWidth(x, Weight.Value.Shape[1]);
        return new LinearOperation { X = x, Weight = Weight.Value, Bias = bias }.Prepare(Device, keep: false);
    }

    /// <summary>Adds an adapter if the layer has none.</summary>
    internal LowRankAdapter Adapt(int rank, double alpha, Random? random)
    {
        Shape weight = Weight.Value.Shape;
        Adapter = AddModule("adapter", new LowRankAdapter(Device, weight[1], weight[0], rank, alpha, random));
        Device.VoidRecordings();
        return Adapter;
    }

    /// <summary>Throws if W or the adapter's weights were never set.</summary>
    /// <param name="name">The name of this layer, for the message.</param>
    internal void RequireMergeable(string name)
    {
        Weight.RequireSet($"{name}.weight");
        foreach ((string part, Parameter parameter) in Adapter!.Parameters)
        {
            parameter.RequireSet($"{name}.adapter.{part}");
        }
    }

    /// <summary>Adds the adapter's correction to W, which becomes float32, and frees the adapter.</summary>
    internal void Merge()
    {
        Weight.Narrow(Precision.Float32); // the correction can be smaller than one rounding step of a narrow W
        Adapter!.AddTo(0, Weight.Value);
        RemoveAdapter();
    }

    /// <summary>Frees the adapter, if any.</summary>
    internal void RemoveAdapter()
    {
        if (Adapter is not null)
        {
            RemoveModule(Adapter);
            Adapter = null;
        }
    }
}
