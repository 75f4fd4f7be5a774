using System.Globalization;
using System.Reflection;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;
using Mamba.Gpu.Native;

namespace Mamba.Gpu;

/// <summary>Finds and opens devices through ILGPU, including devices that ILGPU leaves out by default.</summary>
internal static class GpuContext
{
    /// <summary>Creates a context with the devices of one kind.</summary>
    public static Context Create(GpuKind kind, int emulatedGroupSize)
    {
        NativeLibraries.Install();
        return Context.Create(builder =>
        {
            // O2 emits accesses to the global address space; O1 emits generic accesses, which the hardware resolves.
            builder.Optimize(OptimizationLevel.O2).EnableAlgorithms();
            _ = kind switch
            {
                GpuKind.Cuda => builder.Cuda(),

                // All devices: ILGPU's default omits those without generic addresses, which no kernel here needs.
                GpuKind.OpenCL => builder.OpenCL(_ => true),
                _ => builder.CPU(new CPUDevice(emulatedGroupSize, 1, 1)),
            };
        });
    }

    /// <summary>Whether a device is a GPU; false for a CPU that an OpenCL driver lists.</summary>
    public static bool IsGpu(ILGPU.Runtime.Device device) =>
        device is CudaDevice or CLDevice { DeviceType: CLDeviceType.CL_DEVICE_TYPE_GPU };

    /// <summary>The devices of one kind, in the order of their driver.</summary>
    public static ILGPU.Runtime.Device[] DevicesOf(Context context, GpuKind kind) => kind switch
    {
        GpuKind.Cuda => [.. context.GetCudaDevices()],
        GpuKind.OpenCL => [.. context.GetCLDevices()],
        _ => [.. context.GetCPUDevices()],
    };

    public static GpuInfo InfoOf(ILGPU.Runtime.Device device, GpuKind kind, int index) =>
        new(kind, index, device.Name, device.MemorySize, CapabilityOf(device));

    /// <summary>A message that says why no device of a kind exists.</summary>
    public static string ReasonFor(GpuKind kind)
    {
        string library = kind == GpuKind.Cuda ? CudaDriver.Library : "OpenCL";
        string driver = kind == GpuKind.Cuda ? "NVIDIA's driver" : "an OpenCL loader";
        string files = string.Join(" or ", NativeLibraries.Candidates(library));
        return NativeLibraries.Has(library)
            ? $"{kind}: {files} is there, but the driver lists no device"
            : $"{kind}: {files}, which {driver} installs, cannot be loaded";
    }

    /// <summary>Opens a device.</summary>
    public static Accelerator Open(Context context, ILGPU.Runtime.Device device)
    {
        if (device is CudaDevice { Architecture: { } architecture } cuda && architecture >= CudaArchitecture.SM_90)
        {
            CompileFor((CudaCapabilityContext)cuda.Capabilities, CudaArchitecture.SM_90);
        }

        if (device is CLDevice { Capabilities.GenericAddressSpace: false } opencl)
        {
            // ILGPU refuses such devices, but kernels run on them if each pointer stays in one address space.
            Set((CLCapabilityContext)opencl.Capabilities, nameof(CLCapabilityContext.GenericAddressSpace), true);
        }

        return device.CreateAccelerator(context);
    }

    /// <summary>Sets the architecture that kernels are compiled for: ILGPU's own table ends at 8.0.</summary>
    public static void CompileFor(CudaCapabilityContext capabilities, CudaArchitecture architecture) =>
        Set(capabilities, nameof(CudaCapabilityContext.TargetArchitecture), architecture);

    private static void Set<T>(T target, string property, object value)
        where T : class =>
        typeof(T).GetProperty(property, BindingFlags.Public | BindingFlags.Instance)!.SetValue(target, value);

    private static string CapabilityOf(ILGPU.Runtime.Device device) => device switch
    {
        CudaDevice cuda => string.Create(
            CultureInfo.InvariantCulture, $"{cuda.Architecture?.Major}.{cuda.Architecture?.Minor}"),
        CLDevice opencl => $"OpenCL {opencl.DeviceVersion.Major}.{opencl.DeviceVersion.Minor}",
        _ => "emulation",
    };
}
