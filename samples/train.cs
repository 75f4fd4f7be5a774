#:project ../src/Mamba.Models/Mamba.Models.csproj
#:property PublishAot=false
using Mamba.Cpu;
using Mamba.Models;
using Mamba.Models.Data;
using Mamba.Models.Generation;
using Mamba.Models.Training;
using Mamba.Optimization;

// Trains a byte-level language model on a text: a minute on two cores. The number of steps may be given; a run that was
// stopped goes on from its last checkpoint when the program is started again.
string samples = (string)AppContext.GetData("EntryPointFileDirectoryPath")!;
string folder = Path.Combine(Path.GetTempPath(), "mamba-sample-run");
int steps = args.Length > 0 ? int.Parse(args[0]) : 200;

using CpuDevice device = new();
LanguageModelConfig config = LanguageModelConfig.Mamba2(modelDim: 64, layers: 2, vocabularySize: 256);
using MambaLanguageModel model = new(device, config, new Random(1));
using TokenCorpus corpus = TokenCorpus.Open(
    Path.Combine(samples, "data", "kjv.txt"), new() { Separator = [10, 10], HeldOut = 0.01 });
WindowBatches batches = new(corpus.Training, rows: 8, length: 128, seed: 1);

using AdamW optimizer = new(model, new() { Beta2 = 0.95, WeightDecay = 0.1 });
TrainerOptions options = new()
{
    Steps = steps,
    Schedule = new() { Kind = LearningRateKind.Cosine, Peak = 3e-3, WarmupSteps = 20, TotalSteps = steps },
    Folder = folder,
    CheckpointEvery = 100,
};
using Trainer trainer = new(
    model, optimizer, options, number => model.Loss(batches[number].Inputs, batches[number].Targets, batch: 8));
trainer.Resume();
trainer.Run(new Reporter());

double heldOut = Evaluation.MeanLoss(model, corpus.HeldOut, limit: 20_000) / Math.Log(2);
Console.WriteLine($"held out: {heldOut:f3} bits per byte");
int[] prompt = [.. "And the ".Select(c => (int)c)];
Console.Write("And the ");
await foreach (int token in model.GenerateAsync(prompt, new() { MaxTokens = 80, Sampling = SamplingOptions.Greedy }))
{
    Console.Write((char)token);
}

Console.WriteLine($"\nThe run is in {folder}; delete it to begin anew.");

/// <summary>Prints every twentieth step. (Progress&lt;T&gt; would print from other threads, in any order.)</summary>
internal sealed class Reporter : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value)
    {
        if (value.Loss is { } loss && value.Step % 20 == 0)
        {
            Console.WriteLine($"step {value.Step,4}: loss {loss:f3}");
        }
    }
}
