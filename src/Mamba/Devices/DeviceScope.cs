namespace Mamba.Devices;

/// <summary>Frees what was allocated since <see cref="Device.Scope"/>, when disposed.</summary>
public readonly struct DeviceScope : IDisposable
{
    private readonly Device _device;
    private readonly int _depth;

    internal DeviceScope(Device device, int depth)
    {
        _device = device;
        _depth = depth;
    }

    /// <summary>Lets an array outlive this scope: it then belongs to the enclosing scope, or to the caller.</summary>
    /// <param name="array">An array that was allocated in this scope.</param>
    /// <returns>The array.</returns>
    public DeviceArray Keep(DeviceArray array)
    {
        _device.KeepBeyond(_depth, array.Storage);
        return array;
    }

    /// <summary>Frees the scope's arrays.</summary>
    /// <exception cref="InvalidOperationException">An inner scope has not been disposed.</exception>
    public void Dispose() => _device.EndScope(_depth);
}
