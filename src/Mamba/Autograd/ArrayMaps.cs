using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

/// <summary>Finds out whether a tape follows an operand.</summary>
internal struct FollowedMap : IArrayMap
{
    public bool IsFollowed { get; private set; }

    public DeviceArray Operand(DeviceArray array)
    {
        if (!array.Exists)
        {
            return array;
        }

        Storage storage = array.Storage;
        if (storage.IsUnset)
        {
            throw new InvalidOperationException(
                $"Weights {array.Shape} were never set: their layer was made with random: null, for a loader to " +
                "fill. Load it, or pass a Random.");
        }

        if (storage.Device.Tape is { } tape)
        {
            tape.Claim(storage);
            IsFollowed |= tape.IsWanted(storage);
        }

        return array;
    }

    public readonly DeviceArray Output(DeviceArray array) => array;
}

/// <summary>Marks the outputs of an operation as computed under a tape.</summary>
internal readonly struct OutputMap(Tape tape) : IArrayMap
{
    public DeviceArray Operand(DeviceArray array) => array;

    public DeviceArray Output(DeviceArray array)
    {
        if (array.Exists)
        {
            array.Storage.Tape = tape;
        }

        return array;
    }
}

/// <summary>
/// Replaces arrays by their gradients; absent if no gradient reached an output, or none is wanted of an operand.
/// </summary>
internal readonly struct GradientMap(Tape tape) : IArrayMap
{
    public DeviceArray Operand(DeviceArray array) => tape.Wanted(array);

    public DeviceArray Output(DeviceArray array) => array.IsAlive ? array.Gradient : default;
}

/// <summary>Finds out whether a gradient has reached an output.</summary>
internal struct ReachedMap : IArrayMap
{
    public bool IsReached { get; private set; }

    public readonly DeviceArray Operand(DeviceArray array) => array;

    public DeviceArray Output(DeviceArray array)
    {
        IsReached |= array.IsAlive && array.Gradient.Exists;
        return array;
    }
}

/// <summary>
/// Finds out whether an output outlives the scopes at a depth: it belongs to an outer scope or to an owner.
/// </summary>
internal struct DepthMap(int depth) : IArrayMap
{
    public bool IsOutside { get; private set; }

    public readonly DeviceArray Operand(DeviceArray array) => array;

    public DeviceArray Output(DeviceArray array)
    {
        IsOutside |= array.IsAlive && array.Storage.Depth < depth;
        return array;
    }
}

/// <summary>Collects one operand for each storage.</summary>
internal readonly struct OperandMap(Dictionary<Storage, DeviceArray> operands) : IArrayMap
{
    public Dictionary<Storage, DeviceArray> Operands { get; } = operands;

    public DeviceArray Operand(DeviceArray array)
    {
        if (array.IsAlive)
        {
            Operands.TryAdd(array.Storage, array);
        }

        return array;
    }

    public DeviceArray Output(DeviceArray array) => array;
}
