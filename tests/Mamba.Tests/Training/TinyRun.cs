using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Training;
using Mamba.Optimization;

namespace Mamba.Tests.Training;

/// <summary>A run of a model of two layers that learns a text of 18 tokens.</summary>
internal sealed class TinyRun : IDisposable
{
    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 12,
        Layers = [.. Enumerable.Repeat(new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4 }, 2)],
    };

    private static readonly int[] Ids = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2, 3, 4, 5, 6, 7];

    private readonly Device _device = TestDevice.Open(2);
    private readonly AdamW _optimizer;
    private readonly ModelState? _state;

    public TinyRun(
        TrainerOptions options,
        int rows = 1,
        bool carriesState = false,
        Func<long, bool>? notFinite = null,
        Func<double>? evaluate = null,
        Action<MambaLanguageModel>? exchange = null,
        Action<string>? export = null,
        bool freeze = false)
    {
        Model = new(_device, Config, new Random(1));
        Model.FinalNorm.Weight.IsTrainable = !freeze;
        _optimizer = new(Model, new() { LearningRate = 1e-2, WeightDecay = 0 });
        _state = carriesState ? Model.CreateState() : null;
        Trainer = new(Model, _optimizer, options, batch =>
        {
            int[] ids = [.. Enumerable.Range(0, rows).SelectMany(row => Batch((batch * rows) + row))];
            DeviceArray loss = Model.Loss(ids, rows, _state);
            return notFinite?.Invoke(batch) == true
                ? Functions.Multiply(loss, _device.Array([1], [float.NaN]))
                : loss;
        })
        {
            Evaluate = evaluate,
            CarriedStates = _state?.Layers ?? [],
            Export = export,
            ExchangeGradients = exchange is null ? null : () => exchange(Model),
        };
    }

    public MambaLanguageModel Model { get; }

    public Trainer Trainer { get; }

    public TrainingResult Train(IProgress<TrainingProgress>? progress = null, CancellationToken? cancellation = null) =>
        Trainer.Run(progress, cancellation ?? TestContext.Current.CancellationToken);

    public bool Resume(IProgress<TrainingProgress>? progress = null) =>
        Trainer.Resume(progress, TestContext.Current.CancellationToken);

    public float[] Weights() => [.. Model.Parameters.SelectMany(named => named.Parameter.Value.ToArray())];

    public float[] StateValues() =>
        [.. _state!.Layers.SelectMany(layer => layer.Arrays).SelectMany(array => array.ToArray())];

    public void Dispose()
    {
        Trainer.Dispose();
        _optimizer.Dispose();
        _state?.Dispose();
        Model.Dispose();
        _device.Dispose();
    }

    /// <summary>The text, turned by the number of the batch.</summary>
    private static int[] Batch(long number) =>
        [.. Enumerable.Range(0, Ids.Length).Select(i => Ids[(i + number) % Ids.Length])];
}

/// <summary>Hears every report at once, on the thread that trains.</summary>
internal sealed class Listener(List<TrainingProgress> reports, Action<TrainingProgress>? then = null)
    : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value)
    {
        reports.Add(value);
        then?.Invoke(value);
    }
}
