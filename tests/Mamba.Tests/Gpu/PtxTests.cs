using System.Text.RegularExpressions;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime.Cuda;
using Mamba.Gpu;
using Mamba.Gpu.Kernels;
using Mamba.Simd;

namespace Mamba.Tests.Gpu;

/// <summary>
/// Every kernel becomes code for NVIDIA's devices that their assembler takes and that keeps to registers.
/// </summary>
public sealed class PtxTests
{
    /// <summary>
    /// Every kernel over every operator; by default one operator of each, because a kernel takes half a second.
    /// </summary>
    public static TheoryData<string> Kernels => Thorough.IsAsked ? [.. All.Keys] : WithOneOperator;

    public static TheoryData<string> WithOneOperatorIfAsked => Thorough.IsAsked ? WithOneOperator : ["all"];

    private static TheoryData<string> WithOneOperator =>
        [.. All.DistinctBy(kernel => kernel.Value.Name).Select(kernel => kernel.Key)];

    private static readonly Dictionary<string, Type> All =
        typeof(IKernel).Assembly.GetTypes()
            .Where(type => type.IsValueType && type.IsAssignableTo(typeof(IKernel)))
            .SelectMany(Closed)
            .ToDictionary(NameOf);

    [Fact]
    public void Kernels_are_found() => All.Should().HaveCountGreaterThan(20);

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Kernel_compiles_to_plain_PTX(string kernel) => ShouldCompile(kernel, CudaArchitecture.SM_90);

    [Theory]
    [MemberData(nameof(WithOneOperatorIfAsked))]
    public void Kernel_compiles_for_older_devices(string kernel)
    {
        Assert.SkipUnless(Thorough.IsAsked, Thorough.Reason);
        ShouldCompile(kernel, CudaArchitecture.SM_80);
    }

    private static void ShouldCompile(string kernel, CudaArchitecture architecture)
    {
        string ptx = Compile(All[kernel], architecture);

        ptx.Should().Contain($".target sm_{architecture.Major}{architecture.Minor}");
        ptx.Should().NotMatchRegex(@"\bcall\b", "what is called is not inlined")
            .And.NotContain(".extern .func", "no such function is linked")
            .And.NotMatchRegex(
                @"\.local \.align \d+ \.b8 \w+\[(?!2\]|4\])",
                "arrays of registers must not go to memory; single numbers, the outputs of instructions of PTX, do not")
            .And.NotContain("tanh.approx.ftz", "there is no such instruction");
        Regex.Count(ptx, @"\.shared \.align \d+ \.b8 \S+\[(\d+)\]").Should().BeLessThanOrEqualTo(8);
        Regex.Matches(ptx, @"\.shared \.align \d+ \.b8 \S+\[(\d+)\]").Sum(match => int.Parse(
            match.Groups[1].ValueSpan, System.Globalization.CultureInfo.InvariantCulture))
            .Should().BeLessThanOrEqualTo(48 * 1024, "a group has no more shared memory without asking");
    }

    private static string Compile(Type kernel, CudaArchitecture architecture)
    {
        // A context of its own: one that failed once fails always.
        using Context context = Context.Create(builder => builder.Optimize(OptimizationLevel.O2).EnableAlgorithms());
        CudaCapabilityContext capabilities = new(architecture);
        GpuContext.CompileFor(capabilities, architecture);
        using PTXBackend backend = new(context, capabilities, architecture, CudaInstructionSet.ISA_80, null!);
        EntryPointDescription entry = EntryPointDescription.FromExplicitlyGroupedKernel(
            typeof(Entry).GetMethod(nameof(Entry.Run))!.MakeGenericMethod(kernel));
        return ((PTXCompiledKernel)backend.Compile(entry, default)).PTXAssembly;
    }

    /// <summary>A kernel over each of the operators that it may be made of.</summary>
    private static IEnumerable<Type> Closed(Type kernel)
    {
        if (!kernel.IsGenericTypeDefinition)
        {
            return [kernel];
        }

        IEnumerable<Type[]> arguments = [[]];
        foreach (Type parameter in kernel.GetGenericArguments())
        {
            Type[] operators = [.. parameter.GetGenericParameterConstraints()
                .Where(constraint => constraint.IsInterface)
                .SelectMany(constraint => typeof(IMap).Assembly.GetTypes().Concat(typeof(IKernel).Assembly.GetTypes())
                    .Where(type => type.IsValueType && !type.IsGenericType && type.IsAssignableTo(constraint)))];
            arguments = arguments.SelectMany(first => operators.Select(next => (Type[])[.. first, next]));
        }

        return arguments.Select(kernel.MakeGenericType);
    }

    private static string NameOf(Type kernel) => kernel.IsGenericType
        ? $"{kernel.Name.Split('`')[0]} of {string.Join(", ", kernel.GetGenericArguments().Select(type => type.Name))}"
        : kernel.Name;
}
