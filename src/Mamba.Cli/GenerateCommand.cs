using System.CommandLine;
using System.Text;
using Mamba.Cpu;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Generation;

namespace Mamba.Cli;

/// <summary><c>mamba generate</c>: generates text with a byte-level model, such as <c>mamba train</c> makes.</summary>
internal static class GenerateCommand
{
    private const int Bytes = 256;
    private const float MostTemperature = 1e6f; // as SamplingOptions has it

    public static Command Create()
    {
        Argument<string> folder = new("model")
        {
            Description =
                "A model's folder, with config.json and weights, a GGUF file, or the folder of a finished run.",
        };
        Option<string> prompt = new("--prompt") { Description = "Text to continue.", Required = true };
        Option<int> tokens = Options.Positive("--tokens", "Maximum number of tokens.", 400);
        Option<float> temperature = Options.NotNegative(
            "--temperature", "Sampling temperature. 0 always takes the most likely token.", 0.8f, MostTemperature);
        Option<ulong> seed = new("--seed") { Description = "Seed of the sampling.", DefaultValueFactory = _ => 1ul };
        Option<Precision?> weights = Options.Weights();
        Command command = new("generate", "Generates text from a prompt.")
        {
            folder, prompt, tokens, temperature, seed, weights,
        };
        command.SetAction((parsed, cancellation) => Program.Guard(command.Name, () => RunAsync(
            parsed.GetRequiredValue(folder),
            parsed.GetRequiredValue(prompt),
            new()
            {
                MaxTokens = parsed.GetValue(tokens),
                Sampling = new() { Temperature = parsed.GetValue(temperature), Seed = parsed.GetValue(seed) },
            },
            parsed.GetValue(weights),
            cancellation)));
        return command;
    }

    private static async Task<int> RunAsync(
        string folder, string prompt, GenerationOptions options, Precision? weights, CancellationToken cancellation)
    {
        if (prompt.Length == 0)
        {
            throw new InvalidDataException("--prompt: expected at least one character; found none.");
        }

        folder = ModelFolder.Find(folder);
        using CpuDevice device = new();
        using MambaLanguageModel model = MambaLanguageModel.Load(folder, device, precision: weights);
        if (model.Config.VocabularySize != Bytes)
        {
            throw new NotSupportedException(
                $"{folder}: expected a byte-level model with a vocabulary of {Bytes}; found " +
                $"{model.Config.VocabularySize}.");
        }

        await using Stream output = Console.OpenStandardOutput();
        byte[] text = Encoding.UTF8.GetBytes(prompt);
        await output.WriteAsync(text, cancellation);
        int[] ids = Array.ConvertAll(text, b => (int)b);
        await foreach (int token in model.GenerateAsync(ids, options, null, cancellation))
        {
            output.WriteByte((byte)token);
            await output.FlushAsync(cancellation);
        }

        output.WriteByte((byte)'\n');
        return 0;
    }
}
