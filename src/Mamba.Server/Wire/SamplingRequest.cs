using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mamba.Models.Generation;
using Mamba.Server.Http;

namespace Mamba.Server.Wire;

/// <summary>The fields about sampling and limits, which requests of text and of conversations share.</summary>
internal abstract class SamplingRequest : WireRequest
{
    private const int MostStops = 4;

    public int? MaxTokens { get; set; }

    public double? Temperature { get; set; }

    public double? TopP { get; set; }

    public int? TopK { get; set; }

    public double? MinP { get; set; }

    public double? RepetitionPenalty { get; set; }

    public double? FrequencyPenalty { get; set; }

    public double? PresencePenalty { get; set; }

    public double? TypicalP { get; set; }

    /// <summary>What is added to the logits of tokens, by their ids.</summary>
    public Dictionary<string, double>? LogitBias { get; set; }

    public long? Seed { get; set; }

    /// <summary>A text or a list of texts.</summary>
    public JsonElement? Stop { get; set; }

    public int? N { get; set; }

    public bool? Stream { get; set; }

    public StreamFields? StreamOptions { get; set; }

    /// <summary>Who asks, for whoever runs the server: a tag of the trace.</summary>
    public string? User { get; set; }

    [JsonIgnore]
    public bool IsStream => Stream == true;

    [JsonIgnore]
    public bool HasUsage => StreamOptions?.IncludeUsage == true;

    /// <summary>The texts that end the answer.</summary>
    /// <exception cref="ApiException">They are no texts, or too many.</exception>
    public string[] ReadStops()
    {
        const string Name = "stop";
        string[] stops = Stop switch
        {
            null or { ValueKind: JsonValueKind.Null } => [],
            { ValueKind: JsonValueKind.String } one => [one.GetString()!],
            { ValueKind: JsonValueKind.Array } list
                when list.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String) =>
                [.. list.EnumerateArray().Select(item => item.GetString()!)],
            { } other => throw ApiException.Field(
                Name, $"expected a text or a list of texts; found {other.ValueKind}."),
        };
        return stops.Length > MostStops
            ? throw ApiException.Field(Name, $"expected at most {MostStops} texts; found {stops.Length}.")
            : stops.Contains("")
                ? throw ApiException.Field(Name, "expected texts; found an empty one.")
                : stops;
    }

    /// <summary>Number of answers to each prompt.</summary>
    /// <exception cref="ApiException">It is out of its range.</exception>
    public int ReadCount(int most) => N is null or 1 ? 1
        : N >= 1 && N <= most ? N.Value
        : throw ApiException.Field("n", $"expected a number from 1 to {most}; found {N}.");

    /// <summary>Sampling and limits of one answer.</summary>
    /// <param name="options">What the server allows.</param>
    /// <param name="tokens">Most tokens; null: the server's default.</param>
    /// <param name="tokensName">The name of that field.</param>
    /// <exception cref="ApiException">A number is out of its range.</exception>
    public GenerationOptions ReadGeneration(MambaServerOptions options, int? tokens, string tokensName)
    {
        if (StreamOptions is not null && !IsStream)
        {
            throw ApiException.Field("stream_options", "expected stream to be true; found false.");
        }

        if (tokens is not null && (tokens < 0 || tokens > options.MaxTokens))
        {
            throw ApiException.Field(
                tokensName, $"expected a number from 0 to {options.MaxTokens}; found {tokens}.");
        }

        Require(Temperature is null or (>= 0 and <= 2), "temperature", "a number from 0 to 2", Temperature);
        Require(TopP is null or (> 0 and <= 1), "top_p", "a number above 0 and at most 1", TopP);
        Require(TopK is null or >= -1, "top_k", "a number of tokens, or 0 for all", TopK);
        Require(MinP is null or (>= 0 and <= 1), "min_p", "a number from 0 to 1", MinP);
        Require(
            RepetitionPenalty is null or (> 0 and <= 100), "repetition_penalty", "a number above 0 and at most 100",
            RepetitionPenalty);
        Require(
            FrequencyPenalty is null or (>= -2 and <= 2), "frequency_penalty", "a number from -2 to 2",
            FrequencyPenalty);
        Require(
            PresencePenalty is null or (>= -2 and <= 2), "presence_penalty", "a number from -2 to 2", PresencePenalty);
        Require(TypicalP is null or (> 0 and <= 1), "typical_p", "a number above 0 and at most 1", TypicalP);
        SamplingOptions sampling = options.Defaults.Sampling;
        return options.Defaults with
        {
            MaxTokens = tokens ?? options.Defaults.MaxTokens,
            Sampling = sampling with
            {
                Temperature = Temperature ?? sampling.Temperature,
                TopP = TopP ?? sampling.TopP,
                TopK = Math.Max(TopK ?? sampling.TopK, 0),
                MinP = MinP ?? sampling.MinP,
                RepetitionPenalty = RepetitionPenalty ?? sampling.RepetitionPenalty,
                TypicalP = TypicalP ?? sampling.TypicalP,
                FrequencyPenalty = FrequencyPenalty ?? sampling.FrequencyPenalty,
                PresencePenalty = PresencePenalty ?? sampling.PresencePenalty,
                LogitBias = ReadBias() ?? sampling.LogitBias,
                Seed = unchecked((ulong)(Seed ?? Random.Shared.NextInt64())),
            },
        };
    }

    /// <summary>Checks a number of likeliest tokens.</summary>
    /// <exception cref="ApiException">It is out of its range.</exception>
    protected static void RequireLikeliest(int? count, string name, int most) =>
        Require(count is null || (count >= 0 && count <= most), name, $"a number from 0 to {most}", count);

    private Dictionary<int, double>? ReadBias()
    {
        if (LogitBias is not { Count: > 0 } given)
        {
            return null;
        }

        Dictionary<int, double> bias = [];
        foreach ((string key, double value) in given)
        {
            bool isToken = int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out int token);
            if (!isToken || !(value >= -100 && value <= 100))
            {
                throw ApiException.Field(
                    "logit_bias",
                    FormattableString.Invariant(
                        $"expected ids of tokens with numbers from -100 to 100; found {key}: {value}."));
            }

            bias[token] = value;
        }

        return bias;
    }

    private static void Require(bool isValid, string name, string expected, double? found)
    {
        if (!isValid)
        {
            throw ApiException.Field(name, FormattableString.Invariant($"expected {expected}; found {found}."));
        }
    }
}

/// <summary>What a stream has beside its pieces.</summary>
internal sealed class StreamFields : WireRequest
{
    public bool? IncludeUsage { get; set; }

    /// <inheritdoc/>
    [JsonIgnore]
    protected override IReadOnlyDictionary<string, string[]> WithoutEffect { get; } =
        new Dictionary<string, string[]> { ["include_obfuscation"] = ["false"] };
}
