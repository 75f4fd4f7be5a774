using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Optimization;

namespace Mamba.Models.Training;

/// <content>A step: the gradients of some batches, and one update of the weights.</content>
public sealed partial class Trainer
{
    private void TakeStep(IProgress<TrainingProgress>? progress)
    {
        double rate = _options.Schedule?.At(_run.Step) ?? _optimizer.LearningRate;
        using Undo undo = new(CarriedStates);
        double loss, norm;
        bool isFinite;
        try
        {
            loss = AddGradients();
            ExchangeGradients?.Invoke();
            norm = _options.ClipNorm is { } limit ? Gradients.Clip(_module, limit) : Gradients.Norm(_module);
            isFinite = double.IsFinite(loss) && double.IsFinite(norm);
            if (isFinite)
            {
                _optimizer.Step(rate);
            }
        }
        catch
        {
            TakeBack(undo); // else the next run would add to these gradients
            throw;
        }

        if (isFinite)
        {
            _average?.Update();
            _run.SkippedInARow = 0;
        }
        else
        {
            TakeBack(undo);
            _run.SkippedSteps++;
            _run.SkippedInARow = Math.Min(_run.SkippedInARow, int.MaxValue - 1) + 1;
        }

        _lastLoss = loss;
        _run.Step++;
        _run.ElapsedSeconds = _pace.Note().TotalSeconds;
        progress?.Report(State() with
        {
            Loss = loss,
            LearningRate = rate,
            GradientNorm = norm,
            Warning = isFinite
                ? null
                : $"Step {_run.Step} was skipped: its loss is {loss}, the norm of its gradients {norm}.",
        });
        if (_run.SkippedInARow >= _options.SkipLimit)
        {
            throw new NotFiniteNumberException(
                $"{_run.SkippedInARow} steps in a row were not finite; the last, step {_run.Step}, has the loss " +
                $"{loss} and gradients of norm {norm}. The weights are those before them" +
                (_lastCheckpoint is null ? "." : $"; the last checkpoint is {_lastCheckpoint}."),
                loss);
        }
    }

    /// <summary>Clears the gradients, and restores the carried states.</summary>
    private void TakeBack(Undo undo)
    {
        _module.ClearGradients();
        undo.Run();
    }

    /// <summary>Adds the gradients of a step's batches, each divided by the number of batches.</summary>
    /// <returns>The mean loss.</returns>
    private double AddGradients()
    {
        double sum = 0;
        for (int i = 0; i < _options.Accumulation; i++)
        {
            Device device = _module.Device;
            using DeviceScope scope = device.Scope();
            long batch = (_run.Step * _options.Accumulation) + i;
            using Tape tape = new(device, seed: batch);
            DeviceArray loss = _loss(batch);
            if (loss.Shape.Count != 1)
            {
                throw new InvalidOperationException($"Expected a loss of one element; found {loss.Shape}.");
            }

            tape.Backward((loss, device.Array(loss.Shape, [1f / _options.Accumulation])));
            foreach (LayerState state in CarriedStates)
            {
                state.Detach();
            }

            sum += loss.ToArray()[0];
        }

        return sum / _options.Accumulation;
    }

    /// <summary>The carried states before a step, for a rollback.</summary>
    private readonly struct Undo(IReadOnlyList<LayerState> states) : IDisposable
    {
        private readonly LayerState[] _before = [.. states.Select(state => state.Clone())];

        public void Run()
        {
            for (int i = 0; i < _before.Length; i++)
            {
                states[i].CopyFrom(_before[i]);
            }
        }

        public void Dispose()
        {
            foreach (LayerState state in _before)
            {
                state.Dispose();
            }
        }
    }
}
