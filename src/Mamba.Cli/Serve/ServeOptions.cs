using System.CommandLine;
using System.Globalization;
using System.Net;
using Mamba.Cpu;
using Mamba.Gpu;
using Mamba.Memory;
using Mamba.Server;

namespace Mamba.Cli.Serve;

/// <summary>What to serve, and how.</summary>
/// <param name="Model">The model, as the user named it.</param>
/// <param name="Id">The model's name for clients; null: that of its file or folder.</param>
/// <param name="Tokenizer">The tokenizer; null: the model's.</param>
/// <param name="Template">The file of the chat template; null: the tokenizer's.</param>
/// <param name="Weights">Precision of the weights; null: as the files have them.</param>
/// <param name="Device">The device.</param>
/// <param name="Host">The address to listen at.</param>
/// <param name="Port">The port; 0: any that is free.</param>
/// <param name="StopTimeout">How long running answers may take after the end was asked for.</param>
/// <param name="Server">Limits.</param>
internal sealed record ServeSettings(
    string Model, string? Id, string? Tokenizer, string? Template, Precision? Weights, DeviceName Device,
    IPAddress Host, int Port, TimeSpan StopTimeout, MambaServerOptions Server);

/// <summary>The options of <c>mamba serve</c>.</summary>
internal sealed class ServeOptions
{
    private const string KeyVariable = "MAMBA_API_KEY";
    private const int MostSeconds = 86_400, MostPort = 65_535;

    private static readonly MambaServerOptions Usual = new();

    private readonly Argument<string> _model = new("model")
    {
        Description = "A model's folder, with config.json and weights, a GGUF file, or the folder of a finished run.",
    };

    private readonly Option<string> _host = new("--host")
    {
        Description = "IP address to listen at. 0.0.0.0 is every one of this machine; then set an API key.",
        HelpName = "address",
        DefaultValueFactory = _ => "127.0.0.1",
    };

    private readonly Option<int> _port = new("--port")
    {
        Description = "Port to listen at; 0: any that is free.",
        HelpName = "number",
        DefaultValueFactory = _ => 8080,
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int port) || port > MostPort)
            {
                result.AddError($"--port: expected a whole number from 0 to {MostPort}; found \"{text}\".");
            }

            return port;
        },
    };

    private readonly Option<string[]> _keys = new("--api-key")
    {
        Description =
            "Key that clients must have. May be given several times. Other users of this machine may see it; they do " +
            $"not see the variable {KeyVariable}, which takes keys with commas between them.",
        HelpName = "key",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    private readonly Option<string?> _id = new("--name")
    {
        Description = "The model's name for clients. [default: that of its file or folder]",
        HelpName = "name",
    };

    private readonly Option<int> _slots =
        Options.Positive("--slots", "Answers that are generated at a time.", Usual.Engine.Slots, 4096);

    private readonly Option<int> _queue =
        Options.Positive("--queue", "Requests that may wait; more get status 429.", Usual.Engine.QueueLength);

    private readonly Option<int> _tokens =
        Options.Positive("--max-tokens", "Most tokens of an answer.", Usual.MaxTokens);

    private readonly Option<int> _prompt =
        Options.Positive("--max-prompt", "Most tokens of a prompt.", Usual.MaxPromptTokens);

    private readonly Option<int> _cache = Options.Positive(
        "--prefix-cache", "Megabytes for states of prompts that were read.",
        (int)(Usual.Engine.PrefixCacheBytes >> 20));

    private readonly Option<int> _timeout = Options.Positive(
        "--timeout", "Seconds after which a request ends.", (int)Usual.RequestTimeout.TotalSeconds, MostSeconds);

    private readonly Option<int> _stopTimeout = Options.Positive(
        "--stop-timeout", "Seconds that running answers may take when the server ends.", 30, MostSeconds);

    private readonly Option<string?> _sessions = new("--sessions")
    {
        Description = "Folder in which sessions are saved after each turn, and found again. [default: in memory only]",
        HelpName = "folder",
    };

    private readonly Option<bool> _noPage = new("--no-page") { Description = "Leave out the page to chat." };

    private readonly Option<string?> _template = new("--template")
    {
        Description = "File of the chat template. [default: the tokenizer's]",
        HelpName = "path",
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
    public ServeOptions(Command command)
    {
        command.Add(_model);
        Option[] options =
        [
            _host, _port, _keys, _id, _slots, _queue, _tokens, _prompt, _cache, _timeout, _stopTimeout,
            _sessions, _noPage,
            _template, _tokenizer, _weights, _device, _threads,
        ];
        Array.ForEach(options, command.Add);
    }

    /// <summary>Reads what was typed.</summary>
    /// <exception cref="InvalidDataException">A value makes no sense.</exception>
    public ServeSettings Read(ParseResult parsed)
    {
        string host = parsed.GetValue(_host)!;
        int tokens = parsed.GetValue(_tokens);
        string[] keys =
        [
            .. parsed.GetValue(_keys) ?? [],
            .. (Environment.GetEnvironmentVariable(KeyVariable) ?? "").Split(
                ',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
        ];
        if (Array.Exists(keys, string.IsNullOrWhiteSpace))
        {
            throw new InvalidDataException("--api-key: expected a key; found an empty one.");
        }

        return new(
            parsed.GetRequiredValue(_model),
            parsed.GetValue(_id),
            parsed.GetValue(_tokenizer),
            parsed.GetValue(_template),
            parsed.GetValue(_weights),
            DeviceSetting.Read(parsed.GetValue(_device)!, parsed.GetValue(_threads)),
            host == "localhost" ? IPAddress.Loopback
                : IPAddress.TryParse(host, out IPAddress? address) ? address
                : throw new InvalidDataException($"--host: expected an IP address; found \"{host}\"."),
            parsed.GetValue(_port),
            TimeSpan.FromSeconds(parsed.GetValue(_stopTimeout)),
            Usual with
            {
                ApiKeys = keys,
                SessionFolder = parsed.GetValue(_sessions),
                HasPage = !parsed.GetValue(_noPage),
                MaxTokens = tokens,
                MaxPromptTokens = parsed.GetValue(_prompt),
                Defaults = Usual.Defaults with { MaxTokens = Math.Min(tokens, Usual.Defaults.MaxTokens) },
                RequestTimeout = TimeSpan.FromSeconds(parsed.GetValue(_timeout)),
                Engine = Usual.Engine with
                {
                    Slots = parsed.GetValue(_slots),
                    QueueLength = parsed.GetValue(_queue),
                    PrefixCacheBytes = (long)parsed.GetValue(_cache) << 20,
                },
            });
    }
}
