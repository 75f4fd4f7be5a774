using ILGPU;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Gpu.Memory;

/// <summary>Storage of an array in device memory.</summary>
internal sealed class GpuStorage(Device device, GpuArena arena, GpuArena.Piece memory, nint length, Precision precision)
    : Storage(device, length, precision)
{
    private bool _isFreed;
    private int[] _host = [];
    private int _count;
    private IndexPlaces? _places;

    /// <summary>The memory as words of four bytes, at any precision.</summary>
    public ArrayView<float> Words { get; } = memory.View.Cast<float>();

    /// <summary>Device address of the first element.</summary>
    public nint Address => memory.Address;

    public ArrayView<int> Integers => Words.Cast<int>();

    /// <summary>Host copy of the uploaded integers.</summary>
    public ReadOnlySpan<int> OnHost => _host.AsSpan(0, _count);

    /// <summary>The positions of each distinct integer; computed on first use.</summary>
    public IndexPlaces Places => _places ??= IndexPlaces.Of(OnHost);

    /// <summary>Keeps a host copy of uploaded integers, so that reading them needs no download.</summary>
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
