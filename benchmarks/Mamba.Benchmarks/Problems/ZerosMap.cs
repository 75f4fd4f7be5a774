using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Benchmarks.Problems;

/// <summary>Replaces every array that exists by zeros, for gradients.</summary>
internal readonly struct ZerosMap : IArrayMap
{
    public DeviceArray Operand(DeviceArray array) => array.Exists ? array.Device.Zeros(array.Shape) : default;

    public DeviceArray Output(DeviceArray array) => Operand(array);
}
