using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Mamba.Text.Chat;

/// <summary>Reads calls of functions that a model has written.</summary>
/// <param name="format">How it writes them.</param>
/// <param name="tools">The functions that it may call.</param>
internal sealed class ToolCallReader(ToolFormat format, IReadOnlyList<AIFunctionDeclaration> tools)
{
    private const string Function = "<function=", EndOfFunction = "</function>", Parameter = "<parameter=",
        EndOfParameter = "</parameter>";

    /// <summary>The calls; none if the text is not one or more calls.</summary>
    /// <param name="body">The text without what begins and ends it.</param>
    public List<FunctionCallContent> Read(string body) =>
        format.Body == ToolFormat.Style.Tags ? ReadTags(body) : ReadJson(body);

    private List<FunctionCallContent> ReadJson(string body)
    {
        List<FunctionCallContent> calls = [];
        byte[] bytes = Encoding.UTF8.GetBytes(body);
        int at = 0;
        try
        {
            while (true)
            {
                while (at < bytes.Length && (bytes[at] == ';' || char.IsWhiteSpace((char)bytes[at])))
                {
                    at++;
                }

                if (at == bytes.Length)
                {
                    return calls;
                }

                Utf8JsonReader reader = new(bytes.AsSpan(at), isFinalBlock: true, default);
                using JsonDocument value = JsonDocument.ParseValue(ref reader);
                at += (int)reader.BytesConsumed;
                JsonElement root = value.RootElement;
                bool isList = root.ValueKind == JsonValueKind.Array;
                foreach (JsonElement one in isList ? [.. root.EnumerateArray()] : new[] { root })
                {
                    if (Call(one) is not { } call)
                    {
                        return [];
                    }

                    calls.Add(call);
                }
            }
        }
        catch (JsonException)
        {
            return [];
        }
    }

    private FunctionCallContent? Call(JsonElement call)
    {
        if (call.ValueKind != JsonValueKind.Object
            || !call.TryGetProperty("name", out JsonElement name)
            || name.ValueKind != JsonValueKind.String
            || (format.Begin.Length == 0 && !tools.Any(tool => tool.Name == name.GetString())))
        {
            return null; // without markers any JSON may be the answer, so only a function's name makes it a call
        }

        if (!call.TryGetProperty("arguments", out JsonElement arguments)
            && !call.TryGetProperty("parameters", out arguments))
        {
            return New(name.GetString()!, []);
        }

        if (arguments.ValueKind == JsonValueKind.String)
        {
            using JsonDocument inner = JsonDocument.Parse(arguments.GetString()!); // some write them as a text
            arguments = inner.RootElement.Clone();
        }

        return arguments.ValueKind == JsonValueKind.Object
            ? New(name.GetString()!, arguments.EnumerateObject().Select(one => (one.Name, (object?)one.Value.Clone())))
            : null;
    }

    private List<FunctionCallContent> ReadTags(string body)
    {
        List<FunctionCallContent> calls = [];
        while (body.Trim().Length > 0)
        {
            body = body.TrimStart();
            int end = body.IndexOf(EndOfFunction, StringComparison.Ordinal), name = body.IndexOf('>');
            if (!body.StartsWith(Function, StringComparison.Ordinal) || end < name)
            {
                return [];
            }

            string function = body[Function.Length..name];
            List<(string, object?)> arguments = [];
            string rest = body[(name + 1)..end].TrimStart();
            while (rest.Length > 0)
            {
                int key = rest.IndexOf('>'), last = rest.IndexOf(EndOfParameter, StringComparison.Ordinal);
                if (!rest.StartsWith(Parameter, StringComparison.Ordinal) || last < key)
                {
                    return [];
                }

                string parameter = rest[Parameter.Length..key];
                arguments.Add((parameter, ValueOf(function, parameter, rest[(key + 1)..last])));
                rest = rest[(last + EndOfParameter.Length)..].TrimStart();
            }

            calls.Add(New(function, arguments));
            body = body[(end + EndOfFunction.Length)..];
        }

        return calls;
    }

    /// <summary>A value between tags: JSON, unless the function says that it is a text, or it is no JSON.</summary>
    private object? ValueOf(string function, string parameter, string text)
    {
        text = text.StartsWith('\n') ? text[1..] : text;
        text = text.EndsWith('\n') ? text[..^1] : text;
        bool isText = tools.FirstOrDefault(tool => tool.Name == function) is { JsonSchema: var schema }
            && schema.ValueKind == JsonValueKind.Object
            && schema.TryGetProperty("properties", out JsonElement properties)
            && properties.TryGetProperty(parameter, out JsonElement own)
            && own.ValueKind == JsonValueKind.Object
            && own.TryGetProperty("type", out JsonElement type)
            && type.ValueKind == JsonValueKind.String
            && type.GetString() == "string";
        if (isText)
        {
            return text;
        }

        try
        {
            using JsonDocument value = JsonDocument.Parse(text);
            return value.RootElement.Clone();
        }
        catch (JsonException)
        {
            return text;
        }
    }

    private static FunctionCallContent New(string name, IEnumerable<(string Name, object? Value)> arguments)
    {
        Dictionary<string, object?> all = [];
        foreach ((string key, object? value) in arguments)
        {
            all[key] = value; // of two with one name the last counts, as in most readers of JSON
        }

        return new($"call-{Guid.NewGuid():N}", name, all);
    }
}
