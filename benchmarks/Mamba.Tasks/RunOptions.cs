using System.CommandLine;
using Mamba.Cpu;

namespace Mamba.Tasks;

/// <summary>The command line of what every task's run is told.</summary>
internal sealed class RunOptions
{
    private readonly RunSettings _scaled;
    private readonly RunSettings? _paper;
    private readonly Option<string[]> _models = new("--model")
    {
        Description = $"Kinds of layers: {string.Join(", ", Variant.All.Select(variant => variant.Name))}, or all",
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<int?> _dim = Number("--dim", "Width of the model, D", 1);
    private readonly Option<int?> _layers = Number("--layers", "Number of layers", 1);
    private readonly Option<int?> _headDim = Number("--head-dim", "Width of a head of Mamba-2, P", 1);
    private readonly Option<int?> _batch = Number("--batch", "Sequences of a step", 1);
    private readonly Option<int?> _steps = Number("--steps", "Steps at most", 1);
    private readonly Option<int?> _seed = Number("--seed", "Seed of data and first weights", 0);
    private readonly Option<int?> _threads = Number(
        "--threads", "Threads; by default one per core", 1, CpuDevice.MaxThreads);
    private readonly Option<double?> _rate = new("--rate") { Description = "Largest step size" };
    private readonly Option<double?> _stopAt = new("--stop-at")
    {
        Description = "Validation accuracy, from 0 to 1, that ends training when found twice in a row; 2: none does",
    };

    private readonly Option<string?> _json = new("--json") { Description = "File to which the rows are appended" };
    private readonly Option<bool> _isPaper = new("--paper") { Description = "The paper's sizes, for days and GPUs" };
    private readonly Option<int[]> _states = new("--state")
    {
        Description = "States, N; several: a model for each",
        AllowMultipleArgumentsPerToken = true,
    };

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="scaled">What holds where nothing else is said.</param>
    /// <param name="paper">What holds instead with <c>--paper</c>; null: there is no such option.</param>
    public RunOptions(Command command, RunSettings scaled, RunSettings? paper = null)
    {
        (_scaled, _paper) = (scaled, paper);
        Option[] all =
        [
            _models, _dim, _layers, _states, _headDim, _batch, _steps, _rate, _stopAt, _seed, _threads, _json, _isPaper,
        ];
        foreach (Option option in paper is null ? all[..^1] : all)
        {
            command.Options.Add(option);
        }
    }

    /// <summary>An option for a number that is not below a limit.</summary>
    public static Option<int?> Number(string name, string description, int least, int most = int.MaxValue)
    {
        Option<int?> option = new(name) { Description = description };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int?>() is { } number && (number < least || number > most))
            {
                string range = most == int.MaxValue ? $"{least} or more" : $"{least} to {most}";
                result.AddError($"{name}: expected {range}; found {number}.");
            }
        });
        return option;
    }

    /// <summary>Whether the paper's sizes are asked for.</summary>
    public bool IsPaper(ParseResult parsed) => _paper is not null && parsed.GetValue(_isPaper);

    /// <summary>Where the rows go.</summary>
    public ResultTable Table(ParseResult parsed) => new(parsed.GetValue(_json));

    /// <summary>What was said, and for all else the defaults.</summary>
    public RunSettings Read(ParseResult parsed)
    {
        RunSettings defaults = IsPaper(parsed) ? _paper! : _scaled;
        return defaults with
        {
            Models = parsed.GetValue(_models) is { Length: > 0 } models ? models : defaults.Models,
            Dim = parsed.GetValue(_dim) ?? defaults.Dim,
            Layers = parsed.GetValue(_layers) ?? defaults.Layers,
            States = parsed.GetValue(_states) is { Length: > 0 } states ? states : defaults.States,
            HeadDim = parsed.GetValue(_headDim) ?? defaults.HeadDim,
            Batch = parsed.GetValue(_batch) ?? defaults.Batch,
            Steps = parsed.GetValue(_steps) ?? defaults.Steps,
            Rate = parsed.GetValue(_rate) ?? defaults.Rate,
            StopAt = parsed.GetValue(_stopAt) ?? defaults.StopAt,
            Seed = parsed.GetValue(_seed) ?? defaults.Seed,
            Threads = parsed.GetValue(_threads) ?? defaults.Threads,
        };
    }
}
