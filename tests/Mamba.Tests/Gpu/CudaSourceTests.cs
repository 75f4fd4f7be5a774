using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Mamba.Gpu.Cuda;

namespace Mamba.Tests.Gpu;

/// <summary>
/// The PTX in the package is what NVIDIA's compiler makes of the sources beside it, and keeps to registers. A file
/// named like "Decode-90" is the same source compiled for compute capability 9.0.
/// </summary>
/// <remarks>
/// After a source has changed, run these tests with <c>MAMBA_WRITE_PTX=1</c>, which needs NVRTC, the compiler as a
/// library. <c>MAMBA_NVRTC</c> is its file, if the loader does not find it; it needs no GPU.
/// </remarks>
public sealed class CudaSourceTests
{
    private static readonly string? Folder = FindFolder();

    public static TheoryData<string> Sources =>
    [
        .. typeof(CudaFunction).Assembly.GetManifestResourceNames()
            .Where(name => name.EndsWith(".ptx", StringComparison.Ordinal))
            .Select(name => Path.GetFileNameWithoutExtension(name)),
    ];

    [Theory]
    [MemberData(nameof(Sources))]
    public void The_package_has_the_PTX_of_the_source(string source)
    {
        Assert.SkipWhen(Folder is null, NoSources);
        if (Environment.GetEnvironmentVariable("MAMBA_WRITE_PTX") == "1")
        {
            File.WriteAllText(Path.Combine(Folder!, $"{source}.ptx"), Mark(source) + Compiler.Compile(Folder!, source));
            Assert.Skip("Written; build again.");
        }

        PtxOf(source).Should().StartWith(Mark(source), "the source has changed since its PTX was made");
    }

    [Theory]
    [MemberData(nameof(Sources))]
    public void The_compiler_makes_the_same_of_the_source(string source)
    {
        Assert.SkipWhen(Folder is null, NoSources);
        Assert.SkipUnless(Compiler.Exists, "There is no NVRTC.");
        (string committed, string made) = (PtxOf(source), Compiler.Compile(Folder!, source));
        Assert.SkipUnless(VersionOf(committed) == VersionOf(made), $"NVRTC is another version: {VersionOf(made)}.");

        committed.Should().Be(Mark(source) + made);
    }

    [Theory]
    [MemberData(nameof(Sources))]
    public void The_PTX_is_for_its_devices_and_keeps_to_registers(string source)
    {
        string ptx = PtxOf(source);

        ptx.Should().Contain($".target sm_{CapabilityOf(source)}")
            .And.NotContain(".extern .func", "no such function is linked")
            .And.NotMatchRegex(@"\.local \.align", "arrays of registers must not go to memory");
    }

    [Fact]
    public void Every_kernel_that_is_started_is_in_its_file()
    {
        CudaFunction[] kernels =
        [
            .. typeof(CudaFunction).Assembly.GetTypes()
                .Where(type => type.Namespace == typeof(CudaFunction).Namespace)
                .SelectMany(type => type.GetFields())
                .Where(field => field.IsStatic && field.FieldType == typeof(CudaFunction))
                .Select(field => (CudaFunction)field.GetValue(null)!),
        ];

        kernels.Should().NotBeEmpty();
        foreach (CudaFunction kernel in kernels)
        {
            PtxOf(kernel.File).Should().Contain($".entry {kernel.Name}(");
        }
    }

    private const string NoSources = "The tests run without the project's sources.";

    private static string? FindFolder()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string sources = Path.Combine(folder.FullName, "src", "Mamba.Gpu", "Cuda");
            if (Directory.Exists(sources))
            {
                return sources;
            }
        }

        return null;
    }

    [Fact]
    public void Kernels_that_overlap_wait_for_the_one_before_them_where_that_is_possible()
    {
        string[] kernels = PtxOf($"{CudaDecode.File}-90").Split(".entry ")[1..];

        kernels.Should().OnlyContain(kernel =>
            kernel.Contains("griddepcontrol.launch_dependents", StringComparison.Ordinal)
            && kernel.Contains("griddepcontrol.wait", StringComparison.Ordinal));
        PtxOf(CudaDecode.File).Should().NotContain("griddepcontrol");
    }

    /// <summary>The least compute capability of a PTX, without the dot.</summary>
    private static string CapabilityOf(string source) => source.Contains('-') ? source.Split('-')[1] : "80";

    private static string FileOf(string source) => $"{source.Split('-')[0]}.cu";

    private static string PtxOf(string source) => Encoding.UTF8.GetString(CudaKernels.PtxOf(source)).TrimEnd('\0');

    /// <summary>The first line of the PTX: a hash of the source and of what it includes.</summary>
    private static string Mark(string source)
    {
        StringBuilder text = new();
        Append(FileOf(source), text, []);
        byte[] bytes = Encoding.UTF8.GetBytes(text.ToString().ReplaceLineEndings("\n"));
        return $"// Source: SHA-256 {Convert.ToHexStringLower(SHA256.HashData(bytes))}\n";
    }

    private static void Append(string file, StringBuilder text, HashSet<string> seen)
    {
        if (!seen.Add(file))
        {
            return;
        }

        string own = File.ReadAllText(Path.Combine(Folder!, file));
        text.Append(own);
        foreach (Match include in Regex.Matches(own, "^#include \"(.+)\"", RegexOptions.Multiline))
        {
            Append(include.Groups[1].Value, text, seen);
        }
    }

    private static string VersionOf(string ptx) => Regex.Match(ptx, "Cuda compilation tools, .*").Value;

    /// <summary>NVRTC, NVIDIA's compiler of CUDA C as a library (NVRTC documentation, section 3).</summary>
    private static unsafe class Compiler
    {
        private static readonly nint Library = Load();

        public static bool Exists => Library != 0;

        public static string Compile(string folder, string source)
        {
            if (!Exists)
            {
                throw new InvalidOperationException(
                    "Expected NVRTC (libnvrtc.so.12 or nvrtc64_120_0.dll) to compile PTX; the loader found none. " +
                    "The variable MAMBA_NVRTC may name its file.");
            }

            byte[] text = Encoding.UTF8.GetBytes(File.ReadAllText(Path.Combine(folder, FileOf(source))) + '\0');
            string[] options =
            [
                $"--gpu-architecture=compute_{CapabilityOf(source)}", "--std=c++17", $"--include-path={folder}",
            ];
            nint[] pointers = [.. options.Select(Marshal.StringToCoTaskMemUTF8)];
            nint program = 0;
            fixed (byte* code = text)
            fixed (nint* list = pointers)
            {
                Check(((delegate* unmanaged<nint*, byte*, nint, int, nint, nint, int>)Find("nvrtcCreateProgram"))(
                    &program, code, 0, 0, 0, 0));
                int status = ((delegate* unmanaged<nint, int, nint*, int>)Find("nvrtcCompileProgram"))(
                    program, options.Length, list);
                if (status != 0)
                {
                    throw new InvalidOperationException(Text(program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog"));
                }
            }

            string ptx = Text(program, "nvrtcGetPTXSize", "nvrtcGetPTX");
            Check(((delegate* unmanaged<nint*, int>)Find("nvrtcDestroyProgram"))(&program));
            foreach (nint pointer in pointers)
            {
                Marshal.FreeCoTaskMem(pointer);
            }

            return ptx;
        }

        private static string Text(nint program, string size, string text)
        {
            nuint length = 0;
            Check(((delegate* unmanaged<nint, nuint*, int>)Find(size))(program, &length));
            byte[] bytes = new byte[length];
            fixed (byte* pointer = bytes)
            {
                Check(((delegate* unmanaged<nint, byte*, int>)Find(text))(program, pointer));
            }

            return Encoding.UTF8.GetString(bytes).TrimEnd('\0');
        }

        private static void* Find(string name) => (void*)NativeLibrary.GetExport(Library, name);

        private static void Check(int status) => status.Should().Be(0, "NVRTC reports errors as numbers");

        private static nint Load()
        {
            string?[] names =
                [Environment.GetEnvironmentVariable("MAMBA_NVRTC"), "libnvrtc.so.12", "nvrtc64_120_0.dll"];
            foreach (string? name in names)
            {
                if (name is not null && NativeLibrary.TryLoad(name, out nint library))
                {
                    return library;
                }
            }

            return 0;
        }
    }
}
