using System.Buffers.Binary;
using System.Text.Json;
using Mamba.Server.Http;
using Mamba.Server.Wire;
using Microsoft.AspNetCore.Http;

namespace Mamba.Server.Endpoints;

/// <summary><c>POST /v1/embeddings</c>: vectors of texts.</summary>
internal sealed class EmbeddingEndpoint(ServerContext server)
{
    private const int MostTexts = 2048; // as OpenAI's servers

    public async Task HandleAsync(HttpContext context, CancellationTokenSource ending)
    {
        EmbeddingRequest request = await JsonBody.ReadAsync(
            context, WireJson.Default.EmbeddingRequest, server.Options.MaxBodyBytes, ending.Token)
            .ConfigureAwait(false);
        server.RequireModel(request.Model);
        ServerContext.Tag(request.User);
        bool isBase64 = request.EncodingFormat switch
        {
            null or "float" => false,
            "base64" => true,
            var other => throw ApiException.Field("encoding_format", $"expected float or base64; found \"{other}\"."),
        };
        int width = server.Served.Engine.Model.Config.ModelDim;
        if (request.Dimensions is { } dimensions && dimensions != width)
        {
            throw ApiException.Field("dimensions", $"expected {width}, or nothing; found {dimensions}.");
        }

        int[][] texts = Prompts.Read(request.Input, "input", server.Served.Tokenizer, MostTexts);
        int longest = texts.Max(text => text.Length), size = server.Served.Engine.Model.Config.PaddedVocabularySize;
        if (longest > server.Options.MaxPromptTokens)
        {
            throw ApiException.Of(new Models.Serving.PromptTooLongException(longest, server.Options.MaxPromptTokens));
        }

        if (Array.Exists(texts, text => Array.Exists(text, token => token >= size)))
        {
            throw ApiException.Field("input", $"expected tokens below {size}; found others.");
        }

        List<EmbeddingItem> items = [];
        foreach (int[] text in texts)
        {
            float[] vector = await server.Served.Embeddings.GenerateAsync(text, ending.Token).ConfigureAwait(false);
            items.Add(new("embedding", items.Count, Encode(vector, isBase64)));
        }

        long read = texts.Sum(text => (long)text.Length);
        await JsonBody.WriteAsync(
            context,
            new("list", items, server.Options.ModelId, new(read, read)),
            WireJson.Default.EmbeddingAnswer,
            ending.Token).ConfigureAwait(false);
    }

    private static JsonElement Encode(float[] vector, bool isBase64)
    {
        if (!isBase64)
        {
            return JsonSerializer.SerializeToElement(vector, WireJson.Default.SingleArray);
        }

        byte[] bytes = new byte[vector.Length * sizeof(float)];
        for (int i = 0; i < vector.Length; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(i * sizeof(float)), vector[i]);
        }

        return JsonSerializer.SerializeToElement(Convert.ToBase64String(bytes), WireJson.Default.String);
    }
}
