namespace Mamba.Devices;

/// <summary>The gradients of <see cref="AttentionInputs"/>; those that are not wanted are absent.</summary>
internal readonly record struct AttentionGradients(
    DeviceArray Queries, DeviceArray Keys, DeviceArray Values, DeviceArray PastKeys, DeviceArray PastValues);
