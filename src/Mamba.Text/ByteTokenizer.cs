using System.Text;
using Mamba.Text.Decoding;
using Mamba.Text.Tokenizing;

namespace Mamba.Text;

/// <summary>
/// The tokenizer of byte models: the 256 bytes of UTF-8 are the tokens, and there are no special ones.
/// </summary>
/// <example>
/// <code>
/// int[] tokens = new ByteTokenizer().Encode("née"); // 110, 195, 169, 101
/// </code>
/// </example>
public sealed class ByteTokenizer : TextTokenizer
{
    /// <inheritdoc/>
    public override int VocabularySize => 256;

    /// <summary>A byte as a character of GPT-2's alphabet: <c>A</c> for 65, <c>Ġ</c> for the space.</summary>
    /// <param name="id">The byte.</param>
    /// <returns>The character; null if the id is no byte.</returns>
    public override string? TokenOf(int id) => id is >= 0 and < 256 ? ByteAlphabet.Of((byte)id).ToString() : null;

    /// <inheritdoc/>
    public override int? IdOf(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return token.Length == 1 && ByteAlphabet.ByteOf(token[0]) is >= 0 and int id ? id : null;
    }

    /// <summary>False: no byte is special.</summary>
    /// <param name="id">The id.</param>
    /// <returns>False.</returns>
    public override bool IsSpecial(int id) => false;

    private protected override int[] EncodeText(string text, bool addSpecialTokens, bool recognizeSpecialTokens) =>
        Array.ConvertAll(Encoding.UTF8.GetBytes(text), value => (int)value);

    private protected override byte[] BytesOfText(int id) => [(byte)id];

    private protected override TokenDecoder CreateDecoder(bool skipSpecialTokens, bool streams) =>
        new(TokenOf, sink => new ByteLevelStep(sink));
}
