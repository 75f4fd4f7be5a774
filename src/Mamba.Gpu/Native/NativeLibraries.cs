using System.Reflection;
using System.Runtime.InteropServices;
using ILGPU;

namespace Mamba.Gpu.Native;

/// <summary>Finds native libraries under the file names that drivers install.</summary>
/// <remarks>
/// ILGPU loads <c>libcuda.so</c> and <c>libOpenCL.so</c>, which only development packages install. Other machines have
/// only <c>libcuda.so.1</c> and <c>libOpenCL.so.1</c>, and there ILGPU finds no device and reports no error.
/// </remarks>
internal static class NativeLibraries
{
    private static readonly Lock Gate = new();
    private static readonly Dictionary<string, nint> Found = [];
    private static bool _installed;

    /// <summary>Registers the search for ILGPU's bindings and ours; later calls do nothing.</summary>
    public static void Install()
    {
        lock (Gate)
        {
            if (_installed)
            {
                return;
            }

            _installed = true;
            NativeLibrary.SetDllImportResolver(typeof(NativeLibraries).Assembly, Resolve);
            try
            {
                NativeLibrary.SetDllImportResolver(typeof(Context).Assembly, Resolve);
            }
            catch (InvalidOperationException)
            {
                // The program has already set its own resolver for ILGPU.
            }
        }
    }

    /// <summary>Whether a library can be loaded.</summary>
    public static bool Has(string name) => Find(name) != 0;

    /// <summary>File names to try for a library, in order.</summary>
    public static IReadOnlyList<string> Candidates(string name) => name switch
    {
        CudaDriver.Library when OperatingSystem.IsWindows() => ["nvcuda.dll"],
        CudaDriver.Library => ["libcuda.so.1", "libcuda.so"],
        "OpenCL" when OperatingSystem.IsWindows() => ["OpenCL.dll"],
        "OpenCL" => ["libOpenCL.so.1", "libOpenCL.so"],
        CuBlas.Library => CuBlas.Candidates,
        _ => [],
    };

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path) => Find(name);

    private static nint Find(string name)
    {
        lock (Gate)
        {
            if (Found.TryGetValue(name, out nint handle))
            {
                return handle;
            }

            foreach (string candidate in Candidates(name))
            {
                if (NativeLibrary.TryLoad(candidate, out handle))
                {
                    break;
                }
            }

            return Found[name] = handle;
        }
    }
}
