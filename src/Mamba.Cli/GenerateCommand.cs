using System.CommandLine;
using System.Text;
using Mamba.Devices;
using Mamba.Models;
using Mamba.Models.Generation;

namespace Mamba.Cli;

/// <summary><c>mamba generate</c>: continues a text with a model of bytes, such as <c>mamba train</c> makes.</summary>
internal static class GenerateCommand
{
    private const int Bytes = 256;

    public static Command Create()
    {
        Argument<DirectoryInfo> folder = new("model") { Description = "The folder of a model, with config.json and weights." };
        Option<string> prompt = new("--prompt") { Description = "The text to continue.", Required = true };
        Option<int> tokens = new("--tokens") { Description = "The largest number of tokens.", DefaultValueFactory = _ => 400 };
        Option<float> temperature = new("--temperature")
        {
            Description = "Above 0: how freely tokens are drawn. 0: always the likeliest.",
            DefaultValueFactory = _ => 0.8f,
        };
        Option<ulong> seed = new("--seed") { Description = "Decides what is drawn.", DefaultValueFactory = _ => 1ul };
        Option<Precision> weights = Options.Weights();
        Command command = new("generate", "Continues a text.") { folder, prompt, tokens, temperature, seed, weights };
        command.SetAction((parsed, cancellation) => Program.Guard(command.Name, () => RunAsync(
            parsed.GetRequiredValue(folder).FullName,
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
        string folder, string prompt, GenerationOptions options, Precision weights, CancellationToken cancellation)
    {
        using CpuDevice device = new();
        using MambaLanguageModel model = MambaLanguageModel.Load(folder, device, precision: weights);
        if (model.Config.VocabularySize != Bytes)
        {
            throw new NotSupportedException(
                $"{folder}: expected a model of bytes, {Bytes} tokens; found {model.Config.VocabularySize}.");
        }

        await using Stream output = Console.OpenStandardOutput();
        byte[] text = Encoding.UTF8.GetBytes(prompt);
        await output.WriteAsync(text, cancellation);
        await foreach (int token in model.GenerateAsync(Array.ConvertAll(text, b => (int)b), options, null, cancellation))
        {
            output.WriteByte((byte)token);
            await output.FlushAsync(cancellation);
        }

        output.WriteByte((byte)'\n');
        return 0;
    }
}
