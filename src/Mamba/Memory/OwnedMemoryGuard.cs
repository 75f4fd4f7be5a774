using Mamba.Devices;

namespace Mamba.Memory;

/// <summary>Remembers the owned memory that the calling thread takes, to free it if a construction fails.</summary>
internal readonly ref struct OwnedMemoryGuard : IDisposable
{
    private readonly DeviceContext _context;
    private readonly int _start;

    /// <summary>Begins to remember.</summary>
    /// <param name="device">The device; the calling thread has a scope open on it.</param>
    public OwnedMemoryGuard(Device device)
    {
        _context = device.RequireContext();
        _start = _context.BeginConstruction();
    }

    /// <summary>Frees what was taken since: also of a layer that was half made.</summary>
    public void Release() => _context.ReleaseMadeSince(_start);

    public void Dispose() => _context.EndConstruction();
}
