using System.Globalization;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models.Training;
using Mamba.Optimization;

namespace Mamba.Tasks;

/// <summary>Trains a module on batches that are a function of their number.</summary>
internal static class Training
{
    /// <summary>Trains until the plan's steps are done, or the module is good enough twice in a row.</summary>
    /// <param name="module">What learns.</param>
    /// <param name="plan">Steps, rates and when to look.</param>
    /// <param name="loss">The mean loss of batch number n, one element.</param>
    /// <param name="accuracy">How good the module is, from 0 to 1.</param>
    /// <returns>Steps done and time taken.</returns>
    public static TrainingOutcome Train(
        Module module, TrainingPlan plan, Func<long, DeviceArray> loss, Func<double> accuracy)
    {
        using AdamW optimizer = new(module, new() { WeightDecay = plan.WeightDecay });
        using CancellationTokenSource goodEnough = new();
        int goodInARow = 0;
        TrainerOptions options = new()
        {
            Steps = plan.Steps, EvaluateEvery = plan.EvaluateEvery, Schedule = plan.Schedule,
        };
        using Trainer trainer = new(module, optimizer, options, loss)
        {
            Evaluate = () =>
            {
                double found = accuracy();
                goodInARow = found >= plan.StopAt ? goodInARow + 1 : 0;
                if (goodInARow == 2)
                {
                    goodEnough.Cancel();
                }

                return 1 - found;
            },
        };
        TrainingResult result = trainer.Run(new Reports(plan.EvaluateEvery), goodEnough.Token);
        return new(result.Step, result.Elapsed.TotalSeconds);
    }

    /// <summary>Writes a line for every evaluation.</summary>
    private sealed class Reports(int steps) : IProgress<TrainingProgress>
    {
        private double _sum;

        public void Report(TrainingProgress value)
        {
            _sum += value.Loss ?? 0;
            if (value.Evaluation is { } wrong)
            {
                Console.Error.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"  step {value.Step,6}  loss {_sum / steps:0.0000}  accuracy {100 * (1 - wrong):0.00} %  " +
                    $"{value.Elapsed.TotalSeconds:0} s"));
                _sum = 0;
            }
        }
    }
}
