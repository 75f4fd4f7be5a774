using System.ComponentModel;
using System.Diagnostics;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Gpu.Stub;

/// <summary>The stubs of the CUDA driver and of cuBLAS, compiled once for a class of tests.</summary>
public sealed class StubLibraries : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public StubLibraries()
    {
        if (!OperatingSystem.IsLinux())
        {
            SkipReason = "The stub libraries are made for Linux.";
            return;
        }

        string source = Path.Combine(AppContext.BaseDirectory, "Gpu", "Stub");
        Directory.CreateDirectory(DriverFolder);
        Directory.CreateDirectory(CuBlasFolder);
        string driver = Path.Combine(DriverFolder, "libcuda.so.1");
        string blas = Path.Combine(CuBlasFolder, "libcublas.so.13");
        try
        {
            Compile("libcuda.so.1", driver, Path.Combine(source, "libcuda.c"));
            Compile("libcublas.so.13", blas, Path.Combine(source, "libcublas.c"), driver);
        }
        catch (Win32Exception)
        {
            SkipReason = "There is no gcc to compile the stub libraries with.";
        }
    }

    /// <summary>Why there are none; null: there are.</summary>
    public string? SkipReason { get; }

    public string DriverFolder => _folder["driver"];

    public string CuBlasFolder => _folder["cublas"];

    /// <summary>A new name for a file.</summary>
    public string NewFile() => _folder[Path.GetRandomFileName()];

    public void Dispose() => _folder.Dispose();

    private static void Compile(string name, string target, params string[] sources)
    {
        string[] options = ["-O2", "-Wall", "-Wextra", "-shared", "-fPIC", $"-Wl,-soname,{name}", "-o", target];
        using Process gcc = Process.Start(
            new ProcessStartInfo("gcc", [.. options, .. sources]) { RedirectStandardError = true })!;
        string errors = gcc.StandardError.ReadToEnd();
        gcc.WaitForExit();
        if (gcc.ExitCode != 0)
        {
            throw new InvalidOperationException($"gcc refuses {name}: {errors}");
        }
    }
}
