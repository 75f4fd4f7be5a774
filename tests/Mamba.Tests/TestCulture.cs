using System.Globalization;
using System.Runtime.CompilerServices;

namespace Mamba.Tests;

/// <summary>
/// With MAMBA_TEST_CULTURE=de-DE, all tests run under that culture. The process needs globalization data: the build
/// turns it off, so <c>.ci/run</c> starts the tests with a configuration of its own.
/// </summary>
internal static class TestCulture
{
    [ModuleInitializer]
    internal static void Set()
    {
        const string Variable = "MAMBA_TEST_CULTURE";
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } name)
        {
            // Processes that tests start have the configuration of the build, which knows no cultures.
            Environment.SetEnvironmentVariable(Variable, null);

            // Throws if the process has no data of the culture.
            CultureInfo culture = CultureInfo.GetCultureInfo(name, predefinedOnly: true);
            CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = culture;
            CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.CurrentUICulture = culture;
        }
    }
}
