using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Benchmarks.Problems;

/// <summary>Puts zeros in place of every array that exists: gradients to be added to.</summary>
internal readonly struct ZerosMap : IArrayMap
{
    public DeviceArray Operand(DeviceArray array) => array.Exists ? array.Device.Zeros(array.Shape) : default;

    public DeviceArray Output(DeviceArray array) => Operand(array);
}
