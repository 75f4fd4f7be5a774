using System.CommandLine;
using Mamba.Cpu;
using Mamba.Memory;
using Mamba.Models.Generation;

namespace Mamba.Cli.Text;

/// <summary>The options of commands that generate text.</summary>
internal sealed class TextOptions
{
    private const float MostTemperature = 1e6f; // as SamplingOptions has it

    private readonly Argument<string> _model = new("model")
    {
        Description = "A model's folder, with config.json and weights, a GGUF file, or the folder of a finished run.",
    };

    private readonly Option<int> _tokens;

    private readonly Option<float> _temperature = Options.NotNegative(
        "--temperature", "Sampling temperature. 0 always takes the most likely token.", 0.8f, MostTemperature);

    private readonly Option<int> _topK =
        Options.Positive("--top-k", "Number of the likeliest tokens to choose from. [default: all]", null);

    private readonly Option<float> _topP = Options.NotNegative(
        "--top-p", "Chooses from the likeliest tokens whose probabilities add up to this.", 1, 1);

    private readonly Option<float> _repetition = Options.NotNegative(
        "--repetition-penalty", "Above 1, makes tokens that were there before less likely.", 1, MostTemperature);

    private readonly Option<ulong> _seed =
        new("--seed") { Description = "Seed of the sampling.", DefaultValueFactory = _ => 1ul };

    private readonly Option<string[]> _stop = new("--stop")
    {
        Description = "Text that ends the generation and is not printed. May be given several times.",
        HelpName = "text",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    private readonly Option<string?> _tokenizer = new("--tokenizer")
    {
        Description = "File or folder of the tokenizer. [default: the model's]",
        HelpName = "path",
    };

    private readonly Option<Precision?> _weights = Options.Weights();

    private readonly Option<string> _device = new("--device")
    {
        Description = DeviceSetting.Description,
        HelpName = "name",
        DefaultValueFactory = _ => "cpu",
    };

    private readonly Option<int> _threads = Options.Positive(
        "--threads", "CPU threads. [default: one per physical core]", null, CpuDevice.MaxThreads);

    /// <summary>Adds the options to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="tokens">The default of <c>--tokens</c>.</param>
    public TextOptions(Command command, int tokens)
    {
        _tokens = Options.Positive("--tokens", "Maximum number of tokens.", tokens);
        command.Add(_model);
        Option[] options =
        [
            _tokens, _temperature, _topK, _topP, _repetition, _seed, _stop, _tokenizer, _weights, _device, _threads,
        ];
        Array.ForEach(options, command.Add);
    }

    /// <summary>Reads what was typed.</summary>
    /// <exception cref="InvalidDataException">A value makes no sense.</exception>
    public TextSettings Read(ParseResult parsed)
    {
        string[] stops = parsed.GetValue(_stop) ?? [];
        if (Array.Exists(stops, stop => stop.Length == 0))
        {
            throw new InvalidDataException("--stop: expected at least one character; found none.");
        }

        return new(
            parsed.GetRequiredValue(_model),
            parsed.GetValue(_tokenizer),
            parsed.GetValue(_weights),
            DeviceSetting.Read(parsed.GetValue(_device)!, parsed.GetValue(_threads)),
            new()
            {
                MaxTokens = parsed.GetValue(_tokens),
                Sampling = new()
                {
                    Temperature = parsed.GetValue(_temperature),
                    TopK = parsed.GetValue(_topK),
                    TopP = parsed.GetValue(_topP),
                    RepetitionPenalty = parsed.GetValue(_repetition),
                    Seed = parsed.GetValue(_seed),
                },
            },
            stops);
    }
}
