namespace Mamba.Tests;

/// <summary>Tests that take minutes. They run with MAMBA_TEST_ALL=1, which <c>.ci/run</c> sets.</summary>
internal static class Thorough
{
    /// <summary>Why such a test is skipped.</summary>
    public const string Reason = "This takes long: set MAMBA_TEST_ALL=1.";

    /// <summary>Whether these tests are to run.</summary>
    public static bool IsAsked => Environment.GetEnvironmentVariable("MAMBA_TEST_ALL") == "1";
}
