using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Devices;

/// <content>Random numbers from <see cref="Kernels.Philox"/>: the same bits on every device.</content>
public abstract partial class Device
{
    /// <summary>Sets element i to number i of the noise, in [0, 1). y is contiguous.</summary>
    internal abstract void FillUniform(DeviceArray y, NoiseStream noise);

    /// <summary>Computes <c>y = m·x</c> with the mask m of a dropout operation, or adds it to y.</summary>
    internal abstract void Dropout(in DropoutOperation dropout, DeviceArray x, DeviceArray y, bool accumulate);
}
