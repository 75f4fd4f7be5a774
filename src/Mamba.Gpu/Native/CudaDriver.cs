using System.Runtime.InteropServices;
using ILGPU.Runtime.Cuda;

namespace Mamba.Gpu.Native;

/// <summary>Bindings to CUDA driver functions that ILGPU lacks.</summary>
/// <remarks>CUDA Driver API reference, sections 6.10 (modules), 6.13 (memory), 6.18 (streams), 6.22
/// (launches) and 6.27 (graphs).</remarks>
internal static partial class CudaDriver
{
    public const string Library = "cuda";

    /// <summary>Mode of <c>cuStreamBeginCapture</c> that restricts the calling thread only.</summary>
    public const int CaptureModeThreadLocal = 1;

    /// <summary>The function attribute of the most dynamic shared memory that a launch may ask for.</summary>
    public const int MaxDynamicSharedBytes = 8;

    /// <summary>The device attribute of the most shared memory that a kernel may ask for.</summary>
    public const DeviceAttributeKind MaxSharedBytesOfGroup = (DeviceAttributeKind)97;

    /// <summary>Throws with the driver's error text if a call failed.</summary>
    public static unsafe void Check(int result, string what)
    {
        if (result == 0)
        {
            return;
        }

        string reason = GetErrorString(result, out byte* text) == 0 && text != null
            ? Marshal.PtrToStringUTF8((nint)text)!
            : "unknown";
        throw new InvalidOperationException($"{what} failed with CUDA error {result}: {reason}.");
    }

    [LibraryImport(Library, EntryPoint = "cuModuleLoadData")]
    public static unsafe partial int ModuleLoadData(out nint module, byte* text);

    [LibraryImport(Library, EntryPoint = "cuModuleGetFunction", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ModuleGetFunction(out nint function, nint module, string name);

    [LibraryImport(Library, EntryPoint = "cuFuncSetAttribute")]
    public static partial int FuncSetAttribute(nint function, int attribute, int value);

    [LibraryImport(Library, EntryPoint = "cuLaunchKernelEx")]
    public static unsafe partial int LaunchKernelEx(
        CudaLaunchConfig* config, nint function, void** arguments, void** extra);

    [LibraryImport(Library, EntryPoint = "cuMemGetInfo_v2")]
    public static partial int MemGetInfo(out nuint free, out nuint total);

    [LibraryImport(Library, EntryPoint = "cuGetErrorString")]
    public static unsafe partial int GetErrorString(int error, out byte* text);

    [LibraryImport(Library, EntryPoint = "cuStreamBeginCapture_v2")]
    public static partial int StreamBeginCapture(nint stream, int mode);

    [LibraryImport(Library, EntryPoint = "cuStreamEndCapture")]
    public static partial int StreamEndCapture(nint stream, out nint graph);

    [LibraryImport(Library, EntryPoint = "cuGraphInstantiateWithFlags")]
    public static partial int GraphInstantiate(out nint executable, nint graph, ulong flags);

    [LibraryImport(Library, EntryPoint = "cuGraphLaunch")]
    public static partial int GraphLaunch(nint executable, nint stream);

    [LibraryImport(Library, EntryPoint = "cuGraphExecDestroy")]
    public static partial int GraphExecDestroy(nint executable);

    [LibraryImport(Library, EntryPoint = "cuGraphDestroy")]
    public static partial int GraphDestroy(nint graph);

    [LibraryImport(Library, EntryPoint = "cuEventCreate")]
    public static partial int EventCreate(out nint created, uint flags);

    [LibraryImport(Library, EntryPoint = "cuEventRecord")]
    public static partial int EventRecord(nint recorded, nint stream);

    [LibraryImport(Library, EntryPoint = "cuEventElapsedTime")]
    public static partial int EventElapsedTime(out float milliseconds, nint start, nint end);

    [LibraryImport(Library, EntryPoint = "cuEventDestroy_v2")]
    public static partial int EventDestroy(nint destroyed);
}

/// <summary>A launch, as the driver's <c>CUlaunchConfig</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CudaLaunchConfig
{
    public uint GroupsX;
    public uint GroupsY;
    public uint GroupsZ;
    public uint ThreadsX;
    public uint ThreadsY;
    public uint ThreadsZ;
    public uint SharedBytes;
    public nint Stream;
    public CudaLaunchAttribute* Attributes;
    public uint AttributeCount;
}

/// <summary>An attribute of a launch, as the driver's <c>CUlaunchAttribute</c>.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct CudaLaunchAttribute
{
    /// <summary>
    /// The attribute "programmatic stream serialization": 1 lets the kernel start when all groups of the kernel before
    /// it allow it or have ended.
    /// </summary>
    public const int Overlap = 6;

    [FieldOffset(0)]
    public int Id;

    [FieldOffset(8)]
    public int Value;
}
