using System.Buffers.Binary;
using System.Text;

namespace Mamba.Tests.Text;

/// <summary>Model files of SentencePiece, written by hand.</summary>
internal static class SentencePieceFiles
{
    /// <summary>Pieces for "▁the" and some others, in byte-pair encoding with bytes.</summary>
    /// <param name="modelType">1 unigram, 2 byte pairs.</param>
    /// <param name="charsmap">The map of characters of the normalizer.</param>
    public static byte[] BytePairs(int modelType = 2, byte[]? charsmap = null)
    {
        List<byte> file = [];
        foreach ((string piece, float score, int kind) in Pieces())
        {
            byte[] number = new byte[4];
            BinaryPrimitives.WriteSingleLittleEndian(number, score);
            Message(file, 1, [.. Field(1, Encoding.UTF8.GetBytes(piece)), (2 << 3) | 5, .. number, 3 << 3, (byte)kind]);
        }

        byte[] type = [3 << 3, (byte)modelType];
        Message(file, 2, [.. type, .. Number(35, 1), .. Number(40, 0), .. Number(41, 1), .. Number(42, 2)]);
        Message(file, 3, [.. Field(1, "identity"u8), .. Field(2, charsmap ?? []), 3 << 3, 1, 4 << 3, 0, 5 << 3, 1]);
        return [.. file];
    }

    /// <summary>The pieces, their scores and kinds.</summary>
    public static IEnumerable<(string Piece, float Score, int Kind)> Pieces()
    {
        yield return ("<unk>", 0, 2);
        yield return ("<s>", 0, 3);
        yield return ("</s>", 0, 3);
        yield return ("[▁X]", 0, 4);
        for (int value = 0; value < 256; value++)
        {
            yield return ($"<0x{value:X2}>", 0, 6);
        }

        int rank = 0;
        foreach (string piece in new[] { "he", "▁t", "▁the", "in", "▁", "t", "h", "e", "i", "n", "日" })
        {
            yield return (piece, -rank++, 1);
        }
    }

    private static void Message(List<byte> file, int field, byte[] content) => file.AddRange(Field(field, content));

    private static byte[] Field(int field, ReadOnlySpan<byte> content) =>
        [(byte)((field << 3) | 2), .. Varint(content.Length), .. content];

    private static byte[] Number(int field, int value) => [.. Varint(field << 3), .. Varint(value)];

    private static byte[] Varint(int value) =>
        value < 0x80 ? [(byte)value] : [(byte)(value | 0x80), .. Varint(value >> 7)];
}
