using Mamba.Devices;

namespace Mamba.Memory;

/// <summary>A captured graph of device work, which replays in the memory of the capture.</summary>
internal sealed class Recording : IDisposable
{
    private readonly Device _device;
    private readonly IReplay _replay;
    private readonly HashSet<Storage> _memory;

    internal Recording(Device device, IReplay replay, HashSet<Storage> memory) =>
        (_device, _replay, _memory) = (device, replay, memory);

    /// <summary>A backend's captured graph.</summary>
    internal interface IReplay : IDisposable
    {
        /// <summary>Queues the graph.</summary>
        void Run();
    }

    /// <summary>Queues the graph.</summary>
    public void Replay() => _replay.Run();

    /// <summary>Frees the graph and its memory.</summary>
    public void Dispose() => _device.Forget(this, _replay.Dispose, _memory);
}
