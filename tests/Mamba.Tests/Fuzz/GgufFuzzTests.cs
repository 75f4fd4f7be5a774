namespace Mamba.Tests.Fuzz;

/// <summary>Very many damaged GGUF files: the format that is passed from hand to hand in single files.</summary>
public sealed class GgufFuzzTests(ITestOutputHelper output)
{
    [Fact]
    public void A_hundred_thousand_changed_files_are_read_or_refused_as_documented()
    {
        Assert.SkipUnless(Thorough.IsAsked, Thorough.Reason);
        using FuzzRun run = new(CheckpointReaders.All.Single(reader => reader.Name == "gguf")) { Rounds = 100_000 };

        output.WriteLine($"random {run.RunRandom()}");
    }
}
