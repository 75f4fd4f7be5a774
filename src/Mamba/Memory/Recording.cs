using Mamba.Devices;

namespace Mamba.Memory;

/// <summary>Work that a device has captured once and replays as a whole, in the memory that it used then.</summary>
internal sealed class Recording : IDisposable
{
    private readonly Device _device;
    private readonly IReplay _replay;
    private readonly HashSet<Storage> _memory;

    internal Recording(Device device, IReplay replay, HashSet<Storage> memory) =>
        (_device, _replay, _memory) = (device, replay, memory);

    /// <summary>What a backend keeps of the work.</summary>
    internal interface IReplay : IDisposable
    {
        /// <summary>Queues the work again.</summary>
        void Run();
    }

    /// <summary>Queues the work again.</summary>
    public void Replay() => _replay.Run();

    /// <summary>Gives back what the work needs.</summary>
    public void Dispose() => _device.Forget(this, _replay.Dispose, _memory);
}
