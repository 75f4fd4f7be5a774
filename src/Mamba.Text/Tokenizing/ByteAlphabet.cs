using System.Text;

namespace Mamba.Text.Tokenizing;

/// <summary>GPT-2's alphabet: a printable character for each byte.</summary>
internal static class ByteAlphabet
{
    private static readonly char[] _characters = MakeCharacters();
    private static readonly short[] _bytes = MakeBytes();

    /// <summary>The character of a byte; <c>A</c> for 65, <c>Ġ</c> for the space.</summary>
    public static char Of(byte value) => _characters[value];

    /// <summary>The byte of a character; -1 if it is none of the 256.</summary>
    public static int ByteOf(char character) => character < _bytes.Length ? _bytes[character] : -1;

    /// <summary>The UTF-8 bytes of a text as characters of the alphabet.</summary>
    public static string Spell(string text) =>
        string.Create(Encoding.UTF8.GetByteCount(text), text, static (result, text) => Spell(text, result));

    /// <summary>The UTF-8 bytes of a text as characters of the alphabet.</summary>
    /// <param name="text">The text.</param>
    /// <param name="result">Gets a character for each byte.</param>
    /// <returns>How many bytes the text has.</returns>
    public static int Spell(ReadOnlySpan<char> text, Span<char> result)
    {
        int count = 0;
        Span<byte> bytes = stackalloc byte[4];
        foreach (char c in text)
        {
            if (!char.IsAscii(c))
            {
                break;
            }

            result[count++] = _characters[c];
        }

        foreach (Rune rune in text[count..].EnumerateRunes())
        {
            foreach (byte value in bytes[..rune.EncodeToUtf8(bytes)])
            {
                result[count++] = _characters[value];
            }
        }

        return count;
    }

    private static char[] MakeCharacters()
    {
        char[] characters = new char[256];
        char next = (char)256;
        for (int value = 0; value < 256; value++)
        {
            bool isPrintable = value is (>= 33 and <= 126) or (>= 161 and <= 172) or >= 174;
            characters[value] = isPrintable ? (char)value : next++;
        }

        return characters;
    }

    private static short[] MakeBytes()
    {
        short[] bytes = new short[_characters.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (int value = 0; value < 256; value++)
        {
            bytes[_characters[value]] = (short)value;
        }

        return bytes;
    }
}
