using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>
/// <c>y[i] = m·x[i]</c>, where m is 0 with probability p and 1/(1 - p) otherwise, from number <c>⌊i/group⌋</c> of the
/// noise. The backward pass computes the mask again.
/// </summary>
internal readonly record struct DropoutOperation : IOperation<DropoutOperation>
{
    /// <summary>x, contiguous.</summary>
    public required DeviceArray X { get; init; }

    public required NoiseStream Noise { get; init; }

    /// <summary>p, 0 to below 1.</summary>
    public required double Rate { get; init; }

    /// <summary>Number of neighbouring elements that share a random number, at least 1.</summary>
    public required long Group { get; init; }

    public DeviceArray Y { get; init; }

    /// <summary>An element is dropped if its number is below this.</summary>
    public float Threshold => (float)Rate;

    /// <summary>1/(1 - p).</summary>
    public float Scale => (float)(1 / (1 - Rate));

    public DropoutOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { X = map.Operand(X), Y = map.Output(Y) };

    public DropoutOperation Prepare(Device device, bool keep) =>
        this with { Y = device.AllocateOutput(X.Shape, X.Precision) };

    public void Forward(Device device) => device.Dropout(this, X, Y, accumulate: false);

    public void Backward(Device device, in DropoutOperation gradients) =>
        device.Dropout(this, gradients.Y, gradients.X, accumulate: true);
}
