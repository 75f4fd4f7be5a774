using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>What <see cref="IDifferentiable{TSelf}.Map{TMap}"/> puts in place of an operation's arrays.</summary>
internal interface IArrayMap
{
    /// <summary>Called for each operand, in order; the operand may be absent (<c>default</c>).</summary>
    DeviceArray Operand(DeviceArray array);

    /// <summary>Called for each output that has a gradient, in order; the output may be absent.</summary>
    DeviceArray Output(DeviceArray array);
}
