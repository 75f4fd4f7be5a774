using System.Runtime.InteropServices;

namespace Mamba.Devices;

/// <summary>Native memory, aligned for the widest registers.</summary>
internal sealed unsafe class CpuStorage(Device device, nint length) : Storage(device, length)
{
    private const nuint Alignment = 64;

    public float* Pointer { get; private set; } =
        (float*)NativeMemory.AlignedAlloc(checked((nuint)length * sizeof(float)) + Alignment, Alignment);

    public override void Free()
    {
        NativeMemory.AlignedFree(Pointer);
        Pointer = null;
    }
}
