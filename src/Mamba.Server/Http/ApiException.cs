using Mamba.Models.Serving;
using Microsoft.AspNetCore.Http;

namespace Mamba.Server.Http;

/// <summary>A request that is answered with an error.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="message">What was expected, what was found.</param>
/// <param name="type">The kind of error, as OpenAI's servers name it.</param>
/// <param name="param">The field of the request; null: none.</param>
/// <param name="code">A word for programs; null: none.</param>
internal sealed class ApiException(
    int status, string message, string type = ApiException.InvalidRequest, string? param = null, string? code = null)
    : Exception(message)
{
    public const string InvalidRequest = "invalid_request_error";
    private const string ServerError = "server_error";

    /// <summary>Fields of requests by the properties of .NET's chat interface, which begin its messages.</summary>
    private static readonly (string Property, string Field)[] Fields =
    [
        ("Tools", "tools"), ("ToolMode", "tool_choice"), ("AllowMultipleToolCalls", "parallel_tool_calls"),
        ("ResponseFormat", "response_format"), ("Reasoning", "reasoning_effort"),
        ("FrequencyPenalty", "frequency_penalty"), ("PresencePenalty", "presence_penalty"),
        ("LogitBias", "logit_bias"), ("StopSequences", "stop"), ("Temperature", "temperature"), ("TopP", "top_p"),
        ("TopK", "top_k"), ("MinP", "min_p"), ("RepetitionPenalty", "repetition_penalty"),
        ("MaxTokens", "max_tokens"), ("AdditionalProperties", "chat_template_kwargs"), ("Dimensions", "dimensions"),
    ];

    public int Status => status;

    public string Type => type;

    public string? Param => param;

    public string? Code => code;

    /// <summary>A field that this server does not have, or a value that it does not take.</summary>
    public static ApiException Field(string name, string message, string? code = null) =>
        new(StatusCodes.Status400BadRequest, $"{name}: {message}", InvalidRequest, name, code);

    /// <summary>Something that does not exist.</summary>
    public static ApiException NotFound(string message, string? param = null, string code = "not_found") =>
        new(StatusCodes.Status404NotFound, message, InvalidRequest, param, code);

    /// <summary>How an exception is answered.</summary>
    public static ApiException Of(Exception exception) => exception switch
    {
        ApiException own => own,
        QueueFullException full => new(
            StatusCodes.Status429TooManyRequests, full.Message, "rate_limit_error", code: "queue_full"),
        PromptTooLongException prompt => new(
            StatusCodes.Status400BadRequest, prompt.Message, code: "context_length_exceeded"),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => new(
            StatusCodes.Status413PayloadTooLarge, "The body is larger than this server reads.",
            code: "request_too_large"),
        BadHttpRequestException bad => new(bad.StatusCode, bad.Message),
        ObjectDisposedException => new(
            StatusCodes.Status503ServiceUnavailable, "The server is stopping.", ServerError, code: "stopping"),
        NotSupportedException or ArgumentException or InvalidDataException => new(
            StatusCodes.Status400BadRequest, exception.Message, param: FieldOf(exception.Message)),
        OperationCanceledException => new(
            StatusCodes.Status504GatewayTimeout, "The request took longer than this server allows.", ServerError,
            code: "timeout"),
        _ => new(StatusCodes.Status500InternalServerError, "The server failed.", ServerError),
    };

    private static string? FieldOf(string message) =>
        Array.Find(Fields, field => message.StartsWith(field.Property, StringComparison.Ordinal)).Field;
}
