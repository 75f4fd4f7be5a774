using ILGPU;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Gpu.Memory;

/// <summary>A piece of a device's memory.</summary>
internal sealed class GpuStorage(Device device, GpuArena arena, GpuArena.Piece memory, nint length, Precision precision)
    : Storage(device, length, precision)
{
    private bool _isFreed;
    private int[] _host = [];
    private int _count;
    private IndexPlaces? _places;

    /// <summary>The elements, whatever their precision, as words of four bytes.</summary>
    public ArrayView<float> Words { get; } = memory.View.Cast<float>();

    /// <summary>Where the elements stand in the device's memory.</summary>
    public nint Address => memory.Address;

    public ArrayView<int> Integers => Words.Cast<int>();

    /// <summary>The integers as they were uploaded.</summary>
    public ReadOnlySpan<int> OnHost => _host.AsSpan(0, _count);

    /// <summary>Where each integer stands; found when first asked for.</summary>
    public IndexPlaces Places => _places ??= IndexPlaces.Of(OnHost);

    /// <summary>Keeps integers that are uploaded, so that looking at them need not read the device's memory.</summary>
    public void KeepOnHost(ReadOnlySpan<int> values)
    {
        if (_host.Length < values.Length)
        {
            _host = new int[(int)Length];
        }

        values.CopyTo(_host);
        _count = values.Length;
        _places = null;
    }

    public override void Free()
    {
        if (!_isFreed)
        {
            _isFreed = true;
            arena.Return(memory);
        }
    }
}
