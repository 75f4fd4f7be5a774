using System.Runtime.CompilerServices;
using Xunit.v3;

namespace Mamba.Tests.Gpu.Stub;

/// <summary>
/// A test in a process of its own, which finds the stub libraries and the environment that the scenario wants:
/// libraries are found once in a process, and before anything else. <see cref="CudaHostTests"/> starts it.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer(typeof(ScenarioDiscoverer))]
public sealed class ScenarioAttribute([CallerFilePath] string? file = null, [CallerLineNumber] int line = -1)
    : FactAttribute(file, line)
{
    /// <summary>The variable that is set where scenarios are tests.</summary>
    public const string Variable = "MAMBA_STUB_SCENARIOS";

    /// <summary>Whether the loader finds the stub of the driver.</summary>
    public bool HasDriver { get; init; } = true;

    /// <summary>Whether the loader finds the stub of cuBLAS.</summary>
    public bool HasCuBlas { get; init; } = true;

    /// <summary>Whether the stub writes its log, which takes longer than what it tells of.</summary>
    public bool HasLog { get; init; } = true;

    /// <summary>Variables, as NAME=VALUE; <c>{cublas}</c> stands for the folder of the stub of cuBLAS.</summary>
    public string[] Environment { get; init; } = [];
}
