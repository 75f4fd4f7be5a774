namespace Mamba.Tests.Fuzz;

/// <summary>
/// Damaged files for every reader: some hundreds each, or as many as MAMBA_FUZZ_ROUNDS says, see <see cref="FuzzRun"/>.
/// </summary>
public sealed class FuzzTests(ITestOutputHelper output)
{
    private static readonly FuzzReader[] _readers = [.. CheckpointReaders.All, .. RunReaders.All, .. TextReaders.All];

    /// <summary>Names of all readers.</summary>
    public static TheoryData<string> Readers => [.. _readers.Select(reader => reader.Name)];

    /// <summary>Names of the readers of keys.</summary>
    public static TheoryData<string> ReadersOfKeys =>
        [.. _readers.Where(reader => FuzzCase.Keys(reader).Any()).Select(reader => reader.Name)];

    [Theory]
    [MemberData(nameof(Readers))]
    public void A_changed_file_is_read_or_refused_as_documented_in_bounded_time_and_memory(string reader)
    {
        using FuzzRun run = new(Array.Find(_readers, candidate => candidate.Name == reader)!);

        output.WriteLine($"random {run.RunRandom()}");
    }

    [Theory]
    [MemberData(nameof(ReadersOfKeys))]
    public void Any_value_of_any_key_is_read_or_refused_as_documented_in_bounded_time_and_memory(string reader)
    {
        using FuzzRun run = new(Array.Find(_readers, candidate => candidate.Name == reader)!);

        output.WriteLine($"keys {run.RunKeys()}");
    }
}
