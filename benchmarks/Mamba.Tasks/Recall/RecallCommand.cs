using System.CommandLine;

namespace Mamba.Tasks.Recall;

/// <summary>Trains models of several state sizes to recall many values by their keys.</summary>
internal static class RecallCommand
{
    private static readonly RunSettings Scaled = new()
    {
        Models = ["mamba2"], States = [16, 64, 256], Batch = 16, Steps = 3000, Rate = 5e-3, Cosine = true,
    };

    private static readonly RunSettings Paper = Scaled with
    {
        Batch = 1024, Steps = 8192, Rate = 3.16e-3, WeightDecay = 0.1, HeadDim = 64,
    };

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<int?> length = RunOptions.Number("--length", "Tokens of a sequence (64; paper: 256)", 4);
        Option<int?> pairs = RunOptions.Number("--pairs", "Keys with values (16; paper: 64)", 1);
        Option<int?> vocabulary = RunOptions.Number("--vocabulary", "Number of tokens (64; paper: 8,192)", 4);
        Command command = new("mqar", "Multi-query associative recall: finds the values of many keys, by state size")
        {
            length, pairs, vocabulary,
        };
        RunOptions options = new(command, Scaled, Paper);
        command.SetAction(parsed =>
        {
            RunSettings settings = options.Read(parsed);
            bool isPaper = options.IsPaper(parsed);
            RecallData data = new(
                parsed.GetValue(length) ?? (isPaper ? 256 : 64),
                parsed.GetValue(pairs) ?? (isPaper ? 64 : 16),
                parsed.GetValue(vocabulary) ?? (isPaper ? 8192 : 64),
                settings.Seed);
            Run(data, settings, options.Table(parsed));
        });
        return command;
    }

    private static void Run(RecallData data, RunSettings settings, ResultTable table)
    {
        string setting = $"T={data.Length}, {data.Pairs} pairs, V={data.Vocabulary}";
        TokenTask task = new(
            settings, data.Vocabulary, (split, number) => data.Batch(split, number, settings.Batch));
        task.Run((row, _) => table.Add(row with { Task = "mqar", Setting = setting }));
    }
}
