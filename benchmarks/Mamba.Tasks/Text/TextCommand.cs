using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Mamba.Cpu;
using Mamba.Models;
using Mamba.Models.Data;

namespace Mamba.Tasks.Text;

/// <summary>
/// Compares a trained model of bytes with n-grams and with a compressor, on the documents that none has seen.
/// </summary>
internal static class TextCommand
{
    private const int Vocabulary = 256;

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Argument<string> model = new("model")
        {
            Description = "The folder of a model of bytes that `mamba train` made",
        };
        Option<string> data = new("--data") { Description = "The text that it was trained on", Required = true };
        Option<double> heldOut = new("--held-out")
        {
            Description = "The part that was held out", DefaultValueFactory = _ => 0.05,
        };
        Option<ulong> seed = new("--seed") { Description = "The seed of the training", DefaultValueFactory = _ => 1 };
        Command command = new("text", "Held-out bits per byte of a model, of Kneser-Ney n-grams and of xz")
        {
            model, data, heldOut, seed,
        };
        command.SetAction(parsed =>
        {
            CorpusOptions options = new()
            {
                Separator = [.. "\n\n"u8], HeldOut = parsed.GetValue(heldOut), Seed = parsed.GetValue(seed),
            };
            using TokenCorpus corpus = TokenCorpus.Open(parsed.GetRequiredValue(data), options);
            Run(parsed.GetRequiredValue(model), corpus);
        });
        return command;
    }

    private static void Run(string folder, TokenCorpus corpus)
    {
        byte[] training = Bytes(corpus.Training), heldOut = Bytes(corpus.HeldOut);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{training.Length:N0} bytes to learn from, {heldOut.Length:N0} held out\n"));
        Console.WriteLine("| predictor | held out, bits per byte | seconds |\n|---|---:|---:|");
        Measure("xz -9e, held out alone", () => XzBaseline.BitsPerByte([], heldOut));
        Measure("xz -9e, behind the training text", () => XzBaseline.BitsPerByte(training, heldOut));
        for (int order = 3; order <= 8; order++)
        {
            Measure($"Kneser-Ney, order {order}", () => new KneserNey(training, order).BitsPerByte(heldOut));
        }

        using CpuDevice device = new();
        using MambaLanguageModel model = MambaLanguageModel.Load(folder, device);
        if (model.Config.VocabularySize != Vocabulary)
        {
            throw new InvalidDataException(
                $"{folder}: expected a model of {Vocabulary} tokens; found {model.Config.VocabularySize}.");
        }

        string name = string.Create(CultureInfo.InvariantCulture, $"model, {model.ParameterCount:N0} parameters");
        Measure(name, () => Evaluation.MeanLoss(model, corpus.HeldOut) / Math.Log(2));
    }

    private static void Measure(string name, Func<double?> bits)
    {
        Stopwatch watch = Stopwatch.StartNew();
        string found = bits() is { } value ? value.ToString("0.0000", CultureInfo.InvariantCulture) : "not installed";
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"| {name} | {found} | {watch.Elapsed.TotalSeconds:0.0} |"));
    }

    private static byte[] Bytes(TokenSequence sequence)
    {
        int[] tokens = new int[checked((int)sequence.Length)];
        sequence.Read(0, tokens);
        return Array.ConvertAll(tokens, token => (byte)token);
    }
}
