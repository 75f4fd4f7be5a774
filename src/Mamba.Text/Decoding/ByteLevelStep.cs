using System.Text;
using Mamba.Text.Tokenizing;

namespace Mamba.Text.Decoding;

/// <summary>Reads tokens in GPT-2's alphabet as UTF-8. Bytes wait until their character is whole.</summary>
internal sealed class ByteLevelStep(DecodeStep next) : DecodeStep(next)
{
    private readonly Utf8Stream _stream = new();

    /// <summary>The bytes of a token.</summary>
    public static byte[] BytesOf(string text)
    {
        byte[] bytes = new byte[text.Length];
        for (int i = 0; i < text.Length; i++)
        {
            int value = ByteAlphabet.ByteOf(text[i]);
            if (value < 0)
            {
                return Encoding.UTF8.GetBytes(text); // not in the alphabet: an added token, spelled as it is
            }

            bytes[i] = (byte)value;
        }

        return bytes;
    }

    /// <inheritdoc/>
    public override void Push(string text)
    {
        Send(_stream.Read(BytesOf(text)));
    }

    /// <inheritdoc/>
    public override void End()
    {
        Send(_stream.End());
        base.End();
    }

    private void Send(string text)
    {
        if (text.Length > 0)
        {
            Next.Push(text);
        }
    }
}
