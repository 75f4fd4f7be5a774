using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Training;
using Mamba.Optimization;

namespace Mamba.Tests.Fuzz;

/// <summary>A tiny run in a folder; the name of the folder tells its kind.</summary>
internal sealed class OpenedRun : IDisposable
{
    /// <summary>AdamW, evaluations, two checkpoints.</summary>
    public const string Plain = "plain";

    /// <summary>Momentum, an average, frozen weights, states that are carried on; one checkpoint.</summary>
    public const string Carried = "carried";

    private static readonly int[] _ids = [1, 2, 3, 4];

    private readonly MambaLanguageModel _model;
    private readonly Optimizer _optimizer;
    private readonly ModelState? _state;

    public OpenedRun(Device device, string folder)
    {
        Folder = folder;
        bool isPlain = Path.GetFileName(folder) == Plain;
        _model = new(
            device,
            new()
            {
                VocabularySize = 5,
                Layers = isPlain
                    ? [new Mamba2MixerOptions { ModelDim = 4, StateDim = 2, HeadDim = 4 }]
                    :
                    [
                        new MambaMixerOptions { ModelDim = 4, StateDim = 2, LearnableInitialState = true },
                        new AttentionMixerOptions { ModelDim = 4, Heads = 2 },
                    ],
            },
            new Random(1));
        _model.FinalNorm.Weight.IsTrainable = isPlain;
        _optimizer = isPlain
            ? new AdamW(_model, new())
            : new Sgd(_model, new() { LearningRate = 1e-3, Momentum = 0.5 });
        _state = isPlain ? null : _model.CreateState();
        TrainerOptions options = new()
        {
            Steps = long.MaxValue,
            Folder = folder,
            AverageDecay = isPlain ? null : 0.5,
            EvaluateEvery = isPlain ? 1 : 0,
            Patience = isPlain ? int.MaxValue : null,
            Configuration = "data: four tokens\nseed: 1",
        };
        Trainer = new(_model, _optimizer, options, _ => _model.Loss(_ids, 1, _state))
        {
            CarriedStates = _state?.Layers ?? [],
            Evaluate = isPlain ? () => 1 : null,
            Export = path => File.WriteAllText(Path.Combine(path, "note.txt"), "x"),
        };
    }

    /// <summary>Where the run is.</summary>
    public string Folder { get; }

    public Trainer Trainer { get; }

    /// <summary>Takes one step, and saves a checkpoint.</summary>
    public void TakeStep()
    {
        using CancellationTokenSource end = new();
        Trainer.Run(new Cancel(end), end.Token);
    }

    /// <summary>Everything that a checkpoint holds.</summary>
    public double[] Values() =>
    [
        Trainer.Step, _optimizer.Steps,
        .. _model.Parameters.Select(named => named.Parameter.Value)
            .Concat(_optimizer.State.Select(named => named.Array))
            .Concat(_state?.Layers.SelectMany(layer => layer.Arrays) ?? [])
            .SelectMany(array => array.ToArray()).Select(value => (double)value),
    ];

    public void Dispose()
    {
        Trainer.Dispose();
        _state?.Dispose();
        _optimizer.Dispose();
        _model.Dispose();
    }

    private sealed class Cancel(CancellationTokenSource end) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Loss is not null)
            {
                end.Cancel();
            }
        }
    }
}
