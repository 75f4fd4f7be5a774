using System.Diagnostics;
using System.Reflection;
using Mamba.Tests.Gpu.Stub;

namespace Mamba.Tests.Gpu;

/// <summary>
/// The host's side of the CUDA backend against a stub driver, without a device: which calls are made, with what, and
/// what becomes of errors. Each scenario runs in a process of its own. All take a minute: see
/// <see cref="Thorough"/>.
/// </summary>
public sealed class CudaHostTests(StubLibraries stubs) : IClassFixture<StubLibraries>
{
    public static TheoryData<string> Scenarios =>
        Thorough.IsAsked ? [.. All.Keys.Order(StringComparer.Ordinal)] : ["all"];

    private static readonly Dictionary<string, MethodInfo> All =
        typeof(CudaHostTests).Assembly.GetTypes()
            .SelectMany(type => type.GetMethods())
            .Where(method => method.IsDefined(typeof(ScenarioAttribute)))
            .ToDictionary(method => method.Name);

    [Theory]
    [MemberData(nameof(Scenarios))]
    public async Task Scenario_holds(string scenario)
    {
        Assert.SkipUnless(Thorough.IsAsked, Thorough.Reason);
        Assert.SkipWhen(stubs.SkipReason is not null, stubs.SkipReason ?? "");

        (int code, string output) = await Run(All[scenario], TestContext.Current.CancellationToken);

        TestContext.Current.TestOutputHelper!.WriteLine(output);
        Assert.SkipWhen(output.Contains("Skipped: 1", StringComparison.Ordinal), "Not possible here; see the output.");
        output.Should().Contain("Total: 1,");
        code.Should().Be(0, "the scenario should pass:\n{0}", output);
    }

    private async Task<(int Code, string Output)> Run(MethodInfo method, CancellationToken cancellation)
    {
        ScenarioAttribute scenario = method.GetCustomAttribute<ScenarioAttribute>()!;
        string name = $"{method.DeclaringType!.FullName}.{method.Name}";
        ProcessStartInfo start = new(
            Path.Combine(AppContext.BaseDirectory, "Mamba.Tests"),
            ["-method", name, "-noColor", "-showLiveOutput"])
        {
            RedirectStandardOutput = true,
        };
        IEnumerable<string> folders = [
            .. scenario.HasDriver ? [stubs.DriverFolder] : Array.Empty<string>(),
            .. scenario.HasCuBlas ? [stubs.CuBlasFolder] : Array.Empty<string>()];
        start.Environment["LD_LIBRARY_PATH"] = string.Join(':', folders);
        start.Environment[ScenarioAttribute.Variable] = "1";
        start.Environment.Remove("MAMBA_CUBLAS");
        start.Environment.Remove("MAMBA_TEST_DEVICE");
        if (scenario.HasLog)
        {
            start.Environment[StubLog.Variable] = stubs.NewFile();
        }

        foreach (string[] pair in scenario.Environment.Select(variable => variable.Split('=', 2)))
        {
            start.Environment[pair[0]] = pair[1].Replace("{cublas}", stubs.CuBlasFolder, StringComparison.Ordinal);
        }

        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        return (process.ExitCode, output);
    }
}
