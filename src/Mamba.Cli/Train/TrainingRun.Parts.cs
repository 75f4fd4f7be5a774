using System.Text;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Data;
using Mamba.Models.Training;
using Mamba.Optimization;

namespace Mamba.Cli.Train;

/// <content>The parts that the run is made of: data, batches, trainer, loss and evaluation.</content>
internal sealed partial class TrainingRun
{
    private TokenCorpus OpenCorpus() => TokenCorpus.Open(
        _settings.Data,
        new()
        {
            TokenBytes = _settings.TokenBytes,
            Separator = [.. Encoding.UTF8.GetBytes(_settings.Separator)],
            HeldOut = _settings.HeldOut,
            Seed = (ulong)_settings.Seed,
            VocabularySize = _settings.Vocabulary,
        },
        _cancellation);

    private ITokenBatches Batches()
    {
        (TokenSequence stream, ulong seed) = (_corpus.Training, (ulong)_settings.Seed);
        return _settings.Batches switch
        {
            BatchKind.Windows => new WindowBatches(stream, _settings.Batch, _settings.Length, seed),
            BatchKind.Streams => new StreamBatches(stream, _settings.Batch, _settings.Length),
            _ => new PackedBatches(stream, _settings.Batch * _settings.Length, seed),
        };
    }

    private Trainer MakeTrainer()
    {
        Optimizer optimizer = Own(ModelSettings.MakeOptimizer(_settings, _model));
        string[] data =
            [$"tokens to train on: {_corpus.Training.Length}", $"tokens held out: {_corpus.HeldOut.Length}"];
        return new(_model, optimizer, ModelSettings.MakeOptions(_settings, data), Loss)
        {
            CarriedStates = _state?.Layers ?? [],
            Evaluate = _corpus.HeldOut.Length > 1 ? () => Evaluate(_settings.EvaluateTokens) : null,
            Export = folder =>
            {
                _log?.Flush(toDisk: true); // the rows of a checkpoint's steps are on the disk before it is
                _model.Save(folder);
            },
        };
    }

    private DeviceArray Loss(long number)
    {
        TokenBatch batch = _batches[number];
        if (batch.Begins && _state is not null)
        {
            using ModelState fresh = _model.CreateState(_settings.Batch);
            _state.CopyFrom(fresh);
        }

        return _model.Loss(batch.Inputs, batch.Targets, batch.Rows, _state, batch.Segments);
    }

    /// <summary>Evaluates on the same tokens every time, so that evaluations can be compared.</summary>
    private double Evaluate(long limit) =>
        Evaluation.MeanLoss(_model, _corpus.HeldOut, limit == 0 ? long.MaxValue : limit, _cancellation);
}
