using Xunit.Sdk;
using Xunit.v3;

namespace Mamba.Tests.Gpu.Stub;

/// <summary>Finds scenarios in the processes that are started for them, and in no other.</summary>
public sealed class ScenarioDiscoverer : FactDiscoverer
{
    /// <inheritdoc/>
    public override ValueTask<IReadOnlyCollection<IXunitTestCase>> Discover(
        ITestFrameworkDiscoveryOptions discoveryOptions, IXunitTestMethod testMethod, IFactAttribute factAttribute) =>
        Environment.GetEnvironmentVariable(ScenarioAttribute.Variable) is null
            ? new(System.Array.Empty<IXunitTestCase>())
            : base.Discover(discoveryOptions, testMethod, factAttribute);
}
