using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Mamba.Server.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Mamba.Server.Http;

/// <summary>Reads and writes bodies in JSON.</summary>
internal static class JsonBody
{
    /// <summary>Reads a request.</summary>
    /// <exception cref="ApiException">
    /// It is not JSON, has a field of another type, or one that this server does not know.
    /// </exception>
    public static async Task<T> ReadAsync<T>(
        HttpContext context, JsonTypeInfo<T> type, long mostBytes, CancellationToken cancellation)
        where T : WireRequest
    {
        // Without this check a page of another site could send requests: text/plain needs no permission of the server.
        if (!context.Request.HasJsonContentType())
        {
            throw new ApiException(
                StatusCodes.Status415UnsupportedMediaType,
                $"Expected Content-Type: application/json; found \"{context.Request.ContentType}\".");
        }

        LimitSize(context, mostBytes);
        try
        {
            T request = await JsonSerializer.DeserializeAsync(context.Request.Body, type, cancellation)
                .ConfigureAwait(false)
                ?? throw new ApiException(StatusCodes.Status400BadRequest, "Expected a JSON object; found null.");
            request.RequireKnown();
            return request;
        }
        catch (JsonException exception)
        {
            string? field = exception.Path is ['$', '.', .. { Length: > 0 } path] ? path : null;
            throw new ApiException(
                StatusCodes.Status400BadRequest,
                field is null
                    ? $"The body is not valid JSON: {exception.Message}"
                    : $"{field}: {exception.Message}",
                param: field);
        }
    }

    /// <summary>Sets how many bytes of the body are read.</summary>
    public static void LimitSize(HttpContext context, long mostBytes)
    {
        if (context.Request.ContentLength > mostBytes)
        {
            throw new ApiException(
                StatusCodes.Status413PayloadTooLarge,
                $"The body has {context.Request.ContentLength:N0} bytes; this server reads at most {mostBytes:N0}.",
                code: "request_too_large");
        }

        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = mostBytes;
        }
    }

    /// <summary>Writes an answer.</summary>
    public static async Task WriteAsync<T>(
        HttpContext context, T value, JsonTypeInfo<T> type, CancellationToken cancellation = default)
    {
        context.Response.ContentType = "application/json";
        WireJson.Write(context.Response.BodyWriter, value, type);
        await context.Response.BodyWriter.FlushAsync(cancellation).ConfigureAwait(false);
    }
}
