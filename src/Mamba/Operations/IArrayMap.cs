using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>The replacement of an operation's arrays in <see cref="IDifferentiable{TSelf}.Map{TMap}"/>.</summary>
internal interface IArrayMap
{
    /// <summary>Called for each operand, in order; the operand may be absent (<c>default</c>).</summary>
    DeviceArray Operand(DeviceArray array);

    /// <summary>Called for each output that has a gradient, in order; the output may be absent.</summary>
    DeviceArray Output(DeviceArray array);
}
