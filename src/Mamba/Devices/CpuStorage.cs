using System.Runtime.InteropServices;

namespace Mamba.Devices;

/// <summary>Native memory, aligned for the widest registers; taken when it is first touched.</summary>
internal sealed unsafe class CpuStorage(Device device, nint length) : Storage(device, length)
{
    private const nuint Alignment = 64;

    private float* _pointer;

    public float* Pointer => _pointer != null ? _pointer : _pointer = (float*)NativeMemory.AlignedAlloc(
        checked((nuint)Length * sizeof(float)) + Alignment, Alignment);

    public override void Free()
    {
        NativeMemory.AlignedFree(_pointer);
        _pointer = null;
    }
}
