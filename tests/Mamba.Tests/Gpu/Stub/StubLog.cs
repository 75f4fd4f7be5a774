namespace Mamba.Tests.Gpu.Stub;

/// <summary>What the stub libraries have been told to do in this process, one line for each event.</summary>
internal static class StubLog
{
    /// <summary>The variable that names the file.</summary>
    public const string Variable = "MAMBA_STUB_LOG";

    public static string[] Lines() => File.ReadAllLines(Environment.GetEnvironmentVariable(Variable)!);

    /// <summary>The events that begin with some words.</summary>
    public static string[] Lines(string start) =>
        [.. Lines().Where(line => line.StartsWith(start, StringComparison.Ordinal))];
}
