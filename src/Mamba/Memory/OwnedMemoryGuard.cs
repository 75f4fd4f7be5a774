using Mamba.Devices;

namespace Mamba.Memory;

/// <summary>Tracks the owned memory that the calling thread allocates, to free it if a construction fails.</summary>
internal readonly ref struct OwnedMemoryGuard : IDisposable
{
    private readonly DeviceContext _context;
    private readonly int _start;

    /// <summary>Begins to track allocations.</summary>
    /// <param name="device">The device; the calling thread has an open scope on it.</param>
    public OwnedMemoryGuard(Device device)
    {
        _context = device.RequireContext();
        _start = _context.BeginConstruction();
    }

    /// <summary>Frees the memory allocated since, including that of partially made layers.</summary>
    public void Release() => _context.ReleaseMadeSince(_start);

    public void Dispose() => _context.EndConstruction();
}
