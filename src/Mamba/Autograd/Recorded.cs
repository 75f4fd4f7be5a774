using Mamba.Devices;
using Mamba.Operations;

namespace Mamba.Autograd;

/// <summary>An operation on a tape.</summary>
internal abstract class Recorded
{
    /// <summary>Whether arrays that the backward pass needs were freed with their scope.</summary>
    public bool IsBroken { get; set; }

    /// <summary>Passes all arrays of the operation to a map.</summary>
    public abstract void Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap;

    /// <summary>Adds to the gradients of the operands.</summary>
    public abstract void Backward(Tape tape, Device device);
}

/// <inheritdoc/>
internal sealed class Recorded<TOperation>(TOperation operation) : Recorded
    where TOperation : struct, IDifferentiable<TOperation>
{
    public override void Map<TMap>(ref TMap map) => operation.Map(ref map);

    public override void Backward(Tape tape, Device device)
    {
        GradientMap map = new(tape);
        operation.Backward(device, operation.Map(ref map));
    }
}
