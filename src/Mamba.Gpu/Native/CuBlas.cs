using System.Runtime.InteropServices;

namespace Mamba.Gpu.Native;

/// <summary>Bindings to the cuBLAS functions that this library calls, the same in versions 12 and 13.</summary>
/// <remarks>
/// cuBLAS library user guide, sections 2.8.14 (GemmBatchedEx) and 2.8.15 (GemmStridedBatchedEx). ILGPU's own binding
/// lacks version 13, bfloat16 and batches.
/// </remarks>
internal static unsafe partial class CuBlas
{
    public const string Library = "cublas";

    /// <summary>Environment variable with a file or folder, which is tried first.</summary>
    public const string PathVariable = "MAMBA_CUBLAS";

    // cudaDataType_t and cublasComputeType_t.
    public const int Float32Type = 0;
    public const int BFloat16Type = 14;
    public const int ComputeFloat32 = 68;
    public const int ComputeTensorFloat32 = 77;
    public const int DefaultAlgorithm = -1;

    private static readonly string[] FileNames = OperatingSystem.IsWindows()
        ? ["cublas64_13.dll", "cublas64_12.dll"]
        : ["libcublas.so.13", "libcublas.so.12"];

    private static readonly string[] EnvironmentsOfPython = ["VIRTUAL_ENV", "CONDA_PREFIX"];
    private static readonly string[] PackageFolders = ["site-packages", "dist-packages"];

    /// <summary>Paths to try for cuBLAS: the variable, the loader's search path, the usual folders.</summary>
    public static IReadOnlyList<string> Candidates
    {
        get
        {
            List<string> candidates = [];
            if (Environment.GetEnvironmentVariable(PathVariable) is { Length: > 0 } path)
            {
                candidates.AddRange(
                    Directory.Exists(path) ? FileNames.Select(name => Path.Combine(path, name)) : [path]);
            }

            candidates.AddRange(FileNames);
            candidates.AddRange(Folders().SelectMany(folder => FileNames.Select(name => Path.Combine(folder, name))));
            return candidates;
        }
    }

    [LibraryImport(Library, EntryPoint = "cublasCreate_v2")]
    public static partial int Create(out nint handle);

    [LibraryImport(Library, EntryPoint = "cublasDestroy_v2")]
    public static partial int Destroy(nint handle);

    [LibraryImport(Library, EntryPoint = "cublasGetVersion_v2")]
    public static partial int GetVersion(nint handle, out int version);

    [LibraryImport(Library, EntryPoint = "cublasSetStream_v2")]
    public static partial int SetStream(nint handle, nint stream);

    [LibraryImport(Library, EntryPoint = "cublasSetWorkspace_v2")]
    public static partial int SetWorkspace(nint handle, nint workspace, nuint bytes);

    [LibraryImport(Library, EntryPoint = "cublasGemmStridedBatchedEx")]
    public static partial int GemmStridedBatched(
        nint handle,
        int transposeA,
        int transposeB,
        int m,
        int n,
        int k,
        float* alpha,
        nint a,
        int typeOfA,
        int pitchOfA,
        long strideOfA,
        nint b,
        int typeOfB,
        int pitchOfB,
        long strideOfB,
        float* beta,
        nint c,
        int typeOfC,
        int pitchOfC,
        long strideOfC,
        int batch,
        int computeType,
        int algorithm);

    /// <remarks>The arrays of matrix addresses are in device memory.</remarks>
    [LibraryImport(Library, EntryPoint = "cublasGemmBatchedEx")]
    public static partial int GemmBatched(
        nint handle,
        int transposeA,
        int transposeB,
        int m,
        int n,
        int k,
        float* alpha,
        long* a,
        int typeOfA,
        int pitchOfA,
        long* b,
        int typeOfB,
        int pitchOfB,
        float* beta,
        long* c,
        int typeOfC,
        int pitchOfC,
        int batch,
        int computeType,
        int algorithm);

    /// <summary>Folders of CUDA's installers and of Python packages.</summary>
    private static IEnumerable<string> Folders()
    {
        if (Environment.GetEnvironmentVariable("CUDA_PATH") is { Length: > 0 } toolkit)
        {
            yield return Path.Combine(toolkit, OperatingSystem.IsWindows() ? "bin" : "lib64");
        }

        if (OperatingSystem.IsWindows())
        {
            yield break;
        }

        yield return "/usr/local/cuda/lib64";
        foreach (string python in PythonRoots().Select(root => Path.Combine(root, "lib")).Where(Directory.Exists)
            .SelectMany(lib => Directory.EnumerateDirectories(lib, "python3*")))
        {
            foreach (string packages in PackageFolders)
            {
                yield return Path.Combine(python, packages, "nvidia", "cu13", "lib");
                yield return Path.Combine(python, packages, "nvidia", "cublas", "lib");
            }
        }
    }

    private static IEnumerable<string> PythonRoots() =>
        EnvironmentsOfPython.Select(Environment.GetEnvironmentVariable).OfType<string>()
            .Concat(["/usr/local", "/usr", "/opt/torch/.venv"]);
}
