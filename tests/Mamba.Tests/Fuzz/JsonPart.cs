using System.Buffers;
using System.Text;

namespace Mamba.Tests.Fuzz;

/// <summary>A property of an object or an item of a list, by its place in a right JSON text.</summary>
/// <param name="Name">The keys and numbers that lead to it, for messages.</param>
/// <param name="Start">Where it begins: at the key, or at the value of an item.</param>
/// <param name="KeyEnd">Where the key ends, behind its quotes; <paramref name="Start"/> for an item.</param>
/// <param name="ValueStart">Where its value begins.</param>
/// <param name="End">Where its value ends.</param>
internal readonly record struct JsonPart(string Name, int Start, int KeyEnd, int ValueStart, int End)
{
    private static readonly SearchValues<byte> _endsOfScalars = SearchValues.Create(",]} \n\r\t"u8);

    /// <summary>All parts at any depth; numbers may be the bare words of Python.</summary>
    public static List<JsonPart> Of(ReadOnlySpan<byte> json)
    {
        List<JsonPart> parts = [];
        Collect(json, Skip(json, 0), "", parts);
        return parts;
    }

    /// <summary>Passes over a value that begins here, and gives where it ends.</summary>
    private static int Collect(ReadOnlySpan<byte> json, int at, string name, List<JsonPart> parts)
    {
        if (json[at] is not ((byte)'{' or (byte)'['))
        {
            return EndOfScalar(json, at);
        }

        bool isObject = json[at] == (byte)'{';
        at = Skip(json, at + 1);
        for (int i = 0; json[at] is not ((byte)'}' or (byte)']'); i++)
        {
            int start = at, keyEnd = at;
            string key = $"{i}";
            if (isObject)
            {
                keyEnd = EndOfScalar(json, at);
                key = Encoding.UTF8.GetString(json[(at + 1)..(keyEnd - 1)]);
                at = Skip(json, Skip(json, keyEnd) + 1); // behind the colon
            }

            int end = Collect(json, at, $"{name}{key}.", parts);
            parts.Add(new(name + key, start, keyEnd, at, end));
            at = Skip(json, end);
            at = json[at] == (byte)',' ? Skip(json, at + 1) : at;
        }

        return at + 1;
    }

    private static int EndOfScalar(ReadOnlySpan<byte> json, int at)
    {
        if (json[at] != (byte)'"')
        {
            int length = json[at..].IndexOfAny(_endsOfScalars);
            return length < 0 ? json.Length : at + length;
        }

        for (at++; json[at] != (byte)'"'; at++)
        {
            at += json[at] == (byte)'\\' ? 1 : 0;
        }

        return at + 1;
    }

    private static int Skip(ReadOnlySpan<byte> json, int at)
    {
        int length = json[at..].IndexOfAnyExcept(" \n\r\t"u8);
        return length < 0 ? json.Length : at + length;
    }
}
