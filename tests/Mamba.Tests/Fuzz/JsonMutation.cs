using System.Text;

namespace Mamba.Tests.Fuzz;

/// <summary>Changes of a right JSON text that keep the rest of it right.</summary>
internal static class JsonMutation
{
    /// <summary>A random change of a random part.</summary>
    public static (byte[] Content, string Change) Of(byte[] json, Random random)
    {
        List<JsonPart> parts = PartsOf(json);
        if (parts.Count == 0)
        {
            return ByteMutation.Of(json, random);
        }

        JsonPart part = parts[random.Next(parts.Count)], other = parts[random.Next(parts.Count)];
        (byte[] content, string change) = random.Next(8) switch
        {
            0 => Without(json, part),
            1 => Twice(json, part),
            2 => Replace(json, part, json[other.ValueStart..other.End]),
            3 => Renamed(json, part, json[other.Start..other.KeyEnd]),
            4 => Renamed(json, part, random.Next(2) == 0 ? [.. "\""u8, 0xFF, .. "\""u8] : [.. "\"\\ud800\""u8]),
            _ => Replace(json, part, BoundaryValues.Json[random.Next(BoundaryValues.Json.Length)]),
        };
        return (content, $"{part.Name} {change}");
    }

    /// <summary>Every change of a part, made when it is called: of a large file, all of them are many.</summary>
    public static IEnumerable<Func<(byte[] Content, string Change)>> All(byte[] json, JsonPart part) =>
    [
        .. BoundaryValues.Json.Select<byte[], Func<(byte[], string)>>(value => () => Replace(json, part, value)),
        () => Without(json, part), () => Twice(json, part),
        () => Renamed(json, part, [.. "\""u8, 0xFF, .. "\""u8]), () => Renamed(json, part, [.. "\"\\ud800\""u8]),
    ];

    /// <summary>The parts; none if an earlier change has left no right JSON.</summary>
    private static List<JsonPart> PartsOf(byte[] json)
    {
        try
        {
            return JsonPart.Of(json);
        }
        catch (Exception e) when (e is IndexOutOfRangeException or ArgumentOutOfRangeException)
        {
            return [];
        }
    }

    private static (byte[] Content, string Change) Replace(byte[] json, JsonPart part, byte[] value) =>
        ([.. json[..part.ValueStart], .. value, .. json[part.End..]], $"= {Text(value)}");

    private static (byte[] Content, string Change) Twice(byte[] json, JsonPart part) =>
        ([.. json[..part.End], (byte)',', .. json[part.Start..]], "twice");

    private static (byte[] Content, string Change) Renamed(byte[] json, JsonPart part, byte[] key) =>
        ([.. json[..part.Start], .. key, .. json[part.KeyEnd..]], $"called {Text(key)}");

    /// <summary>Without a part, and the comma behind it or, of the last one, in front of it.</summary>
    private static (byte[] Content, string Change) Without(byte[] json, JsonPart part)
    {
        ReadOnlySpan<byte> rest = json.AsSpan(part.End);
        int comma = rest.IndexOfAnyExcept(" \n\r\t"u8);
        if (comma >= 0 && rest[comma] == (byte)',')
        {
            return ([.. json[..part.Start], .. rest[(comma + 1)..]], "removed");
        }

        int before = json.AsSpan(0, part.Start).LastIndexOfAnyExcept(" \n\r\t"u8);
        before = before >= 0 && json[before] == (byte)',' ? before : before + 1;
        return ([.. json[..before], .. rest], "removed");
    }

    private static string Text(byte[] value) => Encoding.UTF8.GetString(value.AsSpan(0, Math.Min(value.Length, 30)));
}
