using Xunit.Sdk;
using Xunit.v3;

[assembly: TestCollectionOrderer(typeof(Mamba.Tests.LongestFirst))]

namespace Mamba.Tests;

/// <summary>Starts the classes that take long first, so that none of them runs alone at the end.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    // Those that take more than five seconds, the longest first.
    private static readonly string[] Longest =
    [
        "PtxTests", "TextCommandTests", "TrainCommandTests", "TrainingOutcomeTests", "CommandLineTests", "FuzzTests",
        "LowRankTests", "BenchCommandTests", "JsonConstraintTests", "ChatTemplateTests", "ServeCommandTests",
        "CheckpointSizeTests", "AttentionSightTests",
    ];

    /// <inheritdoc/>
    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(
        IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection => [.. testCollections.OrderBy(PlaceOf)];

    private static int PlaceOf<TTestCollection>(TTestCollection collection)
        where TTestCollection : ITestCollection
    {
        int place = Array.FindIndex(Longest, name => collection.TestCollectionDisplayName.Contains($".{name} "));
        return place < 0 ? Longest.Length : place;
    }
}
