using System.CommandLine;
using System.Globalization;
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

    private readonly Option<float> _minP = Options.NotNegative(
        "--min-p", "Chooses from tokens that are at least this likely, relative to the likeliest.", 0, 1);

    private readonly Option<float> _typicalP = Options.NotNegative(
        "--typical-p", "Chooses from the most typical tokens whose probabilities add up to this.", 1, 1);

    private readonly Option<double> _frequency = Penalty(
        "--frequency-penalty", "Makes a token less likely for each time that it was generated.");

    private readonly Option<double> _presence = Penalty(
        "--presence-penalty", "Makes tokens that were generated less likely.");

    private readonly Option<string[]> _bias = new("--logit-bias")
    {
        Description = "Adds a number to the logit of a token, by its id. May be given several times.",
        HelpName = "id=number",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    private readonly Option<string?> _format = new("--format")
    {
        Description = "text, or json: one JSON object.",
        HelpName = "format",
    };

    private readonly Option<string?> _schema = new("--schema")
    {
        Description = "File of a JSON schema that the answer must follow.",
        HelpName = "path",
    };

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
            _tokens, _temperature, _topK, _topP, _minP, _typicalP, _repetition, _frequency, _presence, _bias, _seed,
            _stop, _format, _schema, _tokenizer, _weights, _device, _threads,
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
                    MinP = parsed.GetValue(_minP),
                    TypicalP = parsed.GetValue(_typicalP),
                    RepetitionPenalty = parsed.GetValue(_repetition),
                    FrequencyPenalty = parsed.GetValue(_frequency),
                    PresencePenalty = parsed.GetValue(_presence),
                    LogitBias = Biases(parsed.GetValue(_bias) ?? []),
                    Seed = parsed.GetValue(_seed),
                },
            },
            stops,
            parsed.GetValue(_format) switch
            {
                null or "text" => false,
                "json" => true,
                { } other => throw new InvalidDataException($"--format: expected text or json; found \"{other}\"."),
            },
            parsed.GetValue(_schema));
    }

    private static Option<double> Penalty(string name, string description) => new(name)
    {
        Description = $"{description} Below 0, more. [default: 0]",
        HelpName = "number",
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
                || !(Math.Abs(number) <= MostTemperature))
            {
                result.AddError($"{name}: expected a number from -1000000 to 1000000; found \"{text}\".");
            }

            return number;
        },
    };

    private static Dictionary<int, double>? Biases(string[] texts)
    {
        Dictionary<int, double> biases = [];
        foreach (string text in texts)
        {
            string[] parts = text.Split('=');
            if (parts.Length != 2
                || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int id)
                || !double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double bias))
            {
                throw new InvalidDataException(
                    $"--logit-bias: expected the id of a token and a number, such as 42=-1.5; found \"{text}\".");
            }

            biases[id] = bias;
        }

        return biases.Count > 0 ? biases : null;
    }
}
