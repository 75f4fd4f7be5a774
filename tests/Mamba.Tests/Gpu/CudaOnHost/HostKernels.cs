using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using ILGPU.Runtime;
using Mamba.Gpu;
using Mamba.Gpu.Cuda;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Gpu.CudaOnHost;

/// <summary>
/// Runs the kernels in CUDA C on the host, compiled by g++ with <c>cuda.h</c> in place of CUDA, for a device whose
/// memory is the host's: ILGPU's emulation.
/// </summary>
internal sealed unsafe partial class HostKernels : ICudaLauncher
{
    private static readonly Lock Gate = new();
    private static readonly TemporaryFolder Folder = new();
    private static readonly Dictionary<string, nint> Libraries = [];

    /// <summary>The folder with the sources, which the project copies beside the tests.</summary>
    public static string Sources => Path.Combine(AppContext.BaseDirectory, "Gpu", "Cuda");

    /// <summary>Whether this machine can compile and run them.</summary>
    public static bool IsPossible => OperatingSystem.IsLinux() && File.Exists("/usr/bin/g++");

    public int MaxSharedBytes => 256 * 1024;

    /// <summary>Opens an emulated device, on which the kernels in CUDA C run on the host.</summary>
    public static GpuDevice Open()
    {
        GpuDevice device = GpuDevice.Open(new() { Kind = GpuKind.Emulation, CudaKernels = true });
        device.RunCudaBy(new HostKernels());
        device.Scope();
        device.Warning = null;
        return device;
    }

    public void Launch(CudaFunction kernel, void* arguments, in CudaLaunch launch, AcceleratorStream stream)
    {
        stream.Synchronize();
        lock (Gate)
        {
            nint run = NativeLibrary.GetExport(LibraryOf(kernel.File), $"run_{kernel.Name}");
            ((delegate* unmanaged<int, int, int, int, void*, void>)run)(
                launch.Groups.X, launch.Groups.Y, launch.Threads.X, launch.Threads.Y, arguments);
        }
    }

    private static nint LibraryOf(string file)
    {
        if (Libraries.TryGetValue(file, out nint library))
        {
            return library;
        }

        string source = File.ReadAllText(Path.Combine(Sources, $"{file}.cu"));
        StringBuilder code = new($"#include \"cuda.h\"\n#include \"{file}.cu\"\n");
        foreach (Match kernel in Kernel().Matches(source))
        {
            (string name, string type) = (kernel.Groups[1].Value, kernel.Groups[2].Value);
            code.Append(
                $"extern \"C\" void run_{name}(int gx, int gy, int tx, int ty, const {type}* arguments)\n" +
                $"{{ shim::launch(gx, gy, tx, ty, [=] {{ {name}(*arguments); }}); }}\n");
        }

        (string wrapper, string target) = (Folder[$"{file}.cpp"], Folder[$"{file}.so"]);
        File.WriteAllText(wrapper, code.ToString());
        string header = Path.Combine(AppContext.BaseDirectory, "Gpu", "CudaOnHost");
        string[] options = [
            "-O1", "-std=c++17", "-w", "-ffp-contract=off", "-shared", "-fPIC", "-I", Sources, "-I", header, "-o",
            target, wrapper];
        using Process compiler = Process.Start(
            new ProcessStartInfo("g++", options) { RedirectStandardError = true })!;
        string errors = compiler.StandardError.ReadToEnd();
        compiler.WaitForExit();
        compiler.ExitCode.Should().Be(0, "g++ should take {0}: {1}", file, errors);
        library = NativeLibrary.Load(target);
        Libraries.Add(file, library);
        return library;
    }

    [GeneratedRegex(
        @"extern ""C"" __global__ void\s+(?:__launch_bounds__\([^)]*\)\s+)?(\w+)\(\s*" +
        @"const __grid_constant__ (\w+) arguments\)")]
    private static partial Regex Kernel();
}
