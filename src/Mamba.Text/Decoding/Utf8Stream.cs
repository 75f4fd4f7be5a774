using System.Text;

namespace Mamba.Text.Decoding;

/// <summary>Characters of UTF-8 bytes that come piece by piece; U+FFFD for what is no UTF-8.</summary>
internal sealed class Utf8Stream
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    /// <summary>The characters that are whole after these bytes.</summary>
    public string Read(ReadOnlySpan<byte> bytes) => Read(bytes, flush: false);

    /// <summary>U+FFFD if bytes of a character are left; then it begins anew.</summary>
    public string End() => Read([], flush: true);

    private string Read(ReadOnlySpan<byte> bytes, bool flush)
    {
        char[] characters = new char[_decoder.GetCharCount(bytes, flush)];
        return new(characters, 0, _decoder.GetChars(bytes, characters, flush));
    }
}
