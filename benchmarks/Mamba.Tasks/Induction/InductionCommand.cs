using System.CommandLine;

namespace Mamba.Tasks.Induction;

/// <summary>Trains models to recall what followed a token, and tests them at thousands of times the length.</summary>
internal static class InductionCommand
{
    private const int MostTests = 512, FewestTests = 16;

    private static readonly int[] Factors = [1, 2, 8, 64, 4096];

    // Training goes on when all answers are right: it takes most of the steps to forget nothing for long.
    private static readonly RunSettings Scaled = new()
    {
        Models = ["mamba1"], Batch = 8, Steps = 16_000, Rate = 3e-3, StopAt = 2,
    };

    private static readonly RunSettings Paper = Scaled with { Steps = 204_800, Rate = 1e-3 };

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<int?> length = RunOptions.Number("--length", "Tokens of a sequence in training (64; paper: 256)", 4);
        Option<int?> vocabulary = RunOptions.Number("--vocabulary", "Tokens, the trigger included (16)", 2);
        Option<int?> triggers = RunOptions.Number("--triggers", "Triggers of a sequence in training (2)", 2);
        Option<int?> budget = RunOptions.Number(
            "--test-tokens", $"Tokens of each test (4,000,000), which has {FewestTests} to {MostTests} sequences", 1);
        Command command = new("induction", "Induction heads: recalls what followed a token, at far greater lengths")
        {
            length, vocabulary, triggers, budget,
        };
        RunOptions options = new(command, Scaled, Paper);
        command.SetAction(parsed =>
        {
            RunSettings settings = options.Read(parsed);
            bool isPaper = options.IsPaper(parsed);
            InductionData data = new(
                parsed.GetValue(vocabulary) ?? 16, parsed.GetValue(triggers) ?? 2, settings.Seed);
            Run(
                data,
                parsed.GetValue(length) ?? (isPaper ? 256 : 64),
                parsed.GetValue(budget) ?? 4_000_000,
                settings,
                options.Table(parsed));
        });
        return command;
    }

    private static void Run(InductionData data, int length, int budget, RunSettings settings, ResultTable table)
    {
        TokenTask task = new(
            settings, data.Vocabulary, (split, number) => data.Batch(split, number, settings.Batch, length));
        task.Run((row, model) =>
        {
            foreach (int factor in Factors)
            {
                int tokens = checked(factor * length), count = Math.Clamp(budget / tokens, FewestTests, MostTests);
                table.Add(row with
                {
                    Task = "induction",
                    Setting = $"trained at {length}, {data.Triggers} triggers; {count} tests at {tokens:N0}",
                    Accuracy = InductionTest.Accuracy(model, data, tokens, count),
                });
            }
        });
    }
}
