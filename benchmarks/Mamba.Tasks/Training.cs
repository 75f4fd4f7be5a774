using System.Diagnostics;
using System.Globalization;
using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Training;

namespace Mamba.Tasks;

/// <summary>Trains a module on batches that are a function of their number.</summary>
internal static class Training
{
    private const double LargestNorm = 1;

    /// <summary>Trains until the plan's steps are done, or the module is good enough twice in a row.</summary>
    /// <param name="module">What learns.</param>
    /// <param name="plan">Steps, rates and when to look.</param>
    /// <param name="loss">The mean loss of batch number n, one element.</param>
    /// <param name="accuracy">How good the module is, from 0 to 1.</param>
    /// <returns>Steps done and time taken.</returns>
    public static TrainingOutcome Train(
        Module module, TrainingPlan plan, Func<long, DeviceArray> loss, Func<double> accuracy)
    {
        using AdamW optimizer = new(module, new() { LearningRate = plan.Rate, WeightDecay = plan.WeightDecay });
        Stopwatch watch = Stopwatch.StartNew();
        double sum = 0;
        int goodInARow = 0;
        long step = 0;
        while (step < plan.Steps && goodInARow < 2)
        {
            using (DeviceScope scope = module.Device.Scope())
            using (Tape tape = new(module.Device))
            {
                DeviceArray value = loss(step);
                tape.Backward(value);
                Gradients.Clip(module, LargestNorm);
                optimizer.Step(plan.RateAt(step));
                sum += value.ToArray()[0];
            }

            step++;
            if (step % plan.EvaluateEvery == 0)
            {
                double found = accuracy();
                goodInARow = found >= plan.StopAt ? goodInARow + 1 : 0;
                Report(step, sum / plan.EvaluateEvery, found, watch.Elapsed.TotalSeconds);
                sum = 0;
            }
        }

        return new(step, watch.Elapsed.TotalSeconds);
    }

    private static void Report(long step, double loss, double accuracy, double seconds) =>
        Console.Error.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  step {step,6}  loss {loss:0.0000}  accuracy {100 * accuracy:0.00} %  {seconds:0} s"));
}
