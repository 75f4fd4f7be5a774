namespace Mamba.Devices;

/// <summary>
/// The gradients that the backward pass of an SSD adds to, each in its input's shape; absent where not wanted.
/// </summary>
internal readonly record struct SsdGradients
{
    public DeviceArray X { get; init; }

    public DeviceArray Delta { get; init; }

    public DeviceArray A { get; init; }

    public DeviceArray B { get; init; }

    public DeviceArray C { get; init; }

    public DeviceArray D { get; init; }

    public DeviceArray Z { get; init; }

    public DeviceArray DeltaBias { get; init; }

    public DeviceArray InitialState { get; init; }
}
