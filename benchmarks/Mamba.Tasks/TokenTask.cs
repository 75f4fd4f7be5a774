using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;

namespace Mamba.Tasks;

/// <summary>A task in which language models answer questions about random tokens.</summary>
/// <param name="settings">The models, and how they are trained.</param>
/// <param name="vocabulary">Number of tokens.</param>
/// <param name="batches">The batch of a number, for a purpose: the same ones each time.</param>
internal sealed class TokenTask(RunSettings settings, int vocabulary, Func<Split, long, TaskBatch> batches)
{
    private const int EvaluateEvery = 100, ValidationBatches = 4, TestBatches = 16;

    /// <summary>Trains every model.</summary>
    /// <param name="finished">Is given each: its row, with the accuracy on test batches, and the model.</param>
    public void Run(Action<TaskRow, MambaLanguageModel> finished)
    {
        foreach ((string name, MixerOptions[] layers) in settings.Schedules)
        {
            using CpuDevice device = new(settings.Threads);
            LanguageModelConfig config = new() { VocabularySize = vocabulary, Layers = layers, TieEmbeddings = false };
            using MambaLanguageModel model = new(device, config, new Random(settings.Seed));
            Console.Error.WriteLine($"{name}: {model.ParameterCount:N0} parameters on {device}");
            TrainingOutcome outcome = Training.Train(
                model,
                settings.Plan(EvaluateEvery),
                step => Answers.Loss(model, batches(Split.Training, step)),
                () => AccuracyOn(Split.Validation, ValidationBatches, model));
            double accuracy = AccuracyOn(Split.Test, TestBatches, model);
            TaskRow row = new(
                "", "", name, model.ParameterCount, outcome.Steps, outcome.Seconds, accuracy, settings.Seed);
            finished(row, model);
        }
    }

    private double AccuracyOn(Split split, int count, MambaLanguageModel model) =>
        Answers.Accuracy(model, Enumerable.Range(0, count).Select(number => batches(split, number)));
}
