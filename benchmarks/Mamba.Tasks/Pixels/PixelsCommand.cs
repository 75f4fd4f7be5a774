using System.CommandLine;
using System.Globalization;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Tasks.Pixels;

/// <summary>
/// Trains models that read an image as a sequence to tell what it shows, and a linear one beside them.
/// </summary>
internal static class PixelsCommand
{
    private const string DebianFolder = "/usr/share/datasets/fashion-mnist";

    private static readonly RunSettings Settings = new()
    {
        Models = ["mamba2"], Batch = 64, Steps = 937 * 5, Rate = 3e-3, Cosine = true, WeightDecay = 0.05, // 5 epochs
        States = [16], StopAt = 2,
    };

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string?> data = new("--data") { Description = $"Folder of the images ({DebianFolder})" };
        Option<int?> patch = RunOptions.Number("--patch", "Side of a patch (4); 1: pixel by pixel", 1);
        Command command = new("pixels", "Images as sequences of patches: Fashion-MNIST or MNIST") { data, patch };
        RunOptions options = new(command, Settings);
        command.SetAction(parsed =>
        {
            string folder = parsed.GetValue(data) ?? DebianFolder;
            int side = parsed.GetValue(patch) ?? 4;
            (ImageSet training, ImageSet test) = ImageSet.Read(folder, side);
            Run(training, test, $"{side}×{side} patches", options.Read(parsed), options.Table(parsed));
        });
        return command;
    }

    private static void Run(ImageSet training, ImageSet test, string setting, RunSettings settings, ResultTable table)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(settings.Batch, training.Count, "--batch");
        using CpuDevice device = new(settings.Threads);
        ImageTask task = new(training, test, settings);
        int pixels = training.Length * training.PatchPixels;
        using (Linear linear = new(device, pixels, ImageSet.Classes, true, new Random(settings.Seed)))
        {
            Train("linear", linear, x => linear.Forward(x.Reshape([x.Shape[0], pixels])));
        }

        foreach ((string name, MixerOptions[] layers) in settings.Schedules)
        {
            using ImageClassifier model = new(
                device, training.PatchPixels, layers, ImageSet.Classes, new Random(settings.Seed));
            Train(name, model, model.Forward);
        }

        void Train(string name, Module module, Func<DeviceArray, DeviceArray> logits)
        {
            Console.Error.WriteLine($"{name}: {module.ParameterCount:N0} parameters on {device}");
            TrainingOutcome outcome = Training.Train(
                module,
                settings.Plan(task.BatchesPerEpoch),
                step => task.Loss(device, logits, step),
                () => task.Accuracy(device, logits));
            double epochs = (double)outcome.Steps / task.BatchesPerEpoch;
            string length = string.Create(
                CultureInfo.InvariantCulture,
                $"{setting}, {epochs:0.##} epochs of {outcome.Seconds / epochs:0} s");
            table.Add(new(
                "pixels", length, name, module.ParameterCount, outcome.Steps, outcome.Seconds,
                task.Accuracy(device, logits), settings.Seed));
        }
    }
}
