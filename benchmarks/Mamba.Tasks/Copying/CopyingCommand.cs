using System.CommandLine;

namespace Mamba.Tasks.Copying;

/// <summary>Trains models to copy selectively.</summary>
internal static class CopyingCommand
{
    private static readonly RunSettings Scaled = new() { Models = ["mamba1"], Batch = 32, Steps = 4000, Rate = 4e-3 };
    private static readonly RunSettings Paper = new() { Models = ["mamba1"], Batch = 64, Steps = 400_000, Rate = 1e-4 };

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<int?> length = RunOptions.Number("--length", "Noise tokens, L (64; paper: 4,096)", 0);
        Option<int?> memorise = RunOptions.Number("--memorise", "Data tokens, M (8; paper: 16)", 1);
        Option<int?> vocabulary = RunOptions.Number("--vocabulary", "Tokens, noise and marker included (16)", 3);
        Command command = new("copying", "Selective copying: repeats the data tokens that stand among noise")
        {
            length, memorise, vocabulary,
        };
        RunOptions options = new(command, Scaled, Paper);
        command.SetAction(parsed =>
        {
            RunSettings settings = options.Read(parsed);
            bool isPaper = options.IsPaper(parsed);
            CopyingData data = new(
                parsed.GetValue(length) ?? (isPaper ? 4096 : 64),
                parsed.GetValue(memorise) ?? (isPaper ? 16 : 8),
                parsed.GetValue(vocabulary) ?? 16,
                settings.Seed);
            Run(data, settings, options.Table(parsed));
        });
        return command;
    }

    private static void Run(CopyingData data, RunSettings settings, ResultTable table)
    {
        string setting = $"L={data.Length}, M={data.Memorise}";
        TokenTask task = new(
            settings, data.Vocabulary, (split, number) => data.Batch(split, number, settings.Batch));
        task.Run((row, _) => table.Add(row with { Task = "copying", Setting = setting }));
    }
}
