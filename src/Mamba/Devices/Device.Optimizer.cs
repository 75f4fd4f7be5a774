using Mamba.Kernels;
using Mamba.Memory;

namespace Mamba.Devices;

public abstract partial class Device
{
    /// <summary>
    /// Updates a parameter p and its moments m and v, all of equal shapes: <c>m = β₁·m + (1 - β₁)·g</c>,
    /// <c>v = β₂·v + (1 - β₂)·g²</c>, <c>p = (1 - η·λ)·p - η·m̂/(√v̂ + ε)</c> with <c>m̂ = m/(1 - β₁^t)</c> and
    /// <c>v̂ = v/(1 - β₂^t)</c>.
    /// </summary>
    /// <remarks>Loshchilov and Hutter, <see href="https://arxiv.org/abs/1711.05101"/>, in PyTorch's form.</remarks>
    internal abstract void AdamWUpdate(
        DeviceArray parameter, DeviceArray gradient, DeviceArray m, DeviceArray v, AdamWStep step);
}
