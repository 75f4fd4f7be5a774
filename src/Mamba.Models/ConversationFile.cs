using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Mamba.Models;

/// <summary>
/// The file format of a <see cref="Conversation"/>: a magic word; as 64-bit little-endian numbers the format version,
/// the number of tokens and the number of logits; SHA-256 of the weights of the model's final norm; the tokens as int32
/// and the logits as float32; SHA-256 of all before it; and the state as <see cref="StateFile"/> writes it.
/// </summary>
/// <remarks>
/// The final norm tells models of the same sizes from each other: training changes it, and every format of weights
/// keeps it to the bit.
/// </remarks>
internal static class ConversationFile
{
    private const int Format = 1, Piece = 1 << 20;
    private const int FormatAt = 8, TokensAt = 16, LogitsAt = 24, ModelAt = 32, HeaderLength = 64;
    private const int MostTokens = int.MaxValue / 8;

    private static ReadOnlySpan<byte> Magic => "MAMBATLK"u8;

    /// <summary>Writes a conversation.</summary>
    public static void Write(Conversation conversation, Stream stream)
    {
        conversation.State.RequireUsable(); // before anything is written
        ReadOnlySpan<int> tokens = conversation.TokenSpan;
        ReadOnlySpan<float> logits = conversation.Logits;
        byte[] content = new byte[checked(HeaderLength + ((tokens.Length + logits.Length) * sizeof(int)))];
        Magic.CopyTo(content);
        BinaryPrimitives.WriteInt64LittleEndian(content.AsSpan(FormatAt), Format);
        BinaryPrimitives.WriteInt64LittleEndian(content.AsSpan(TokensAt), tokens.Length);
        BinaryPrimitives.WriteInt64LittleEndian(content.AsSpan(LogitsAt), logits.Length);
        WeightsOf(conversation.Model).CopyTo(content, ModelAt);
        Span<byte> body = content.AsSpan(HeaderLength);
        MemoryMarshal.AsBytes(tokens).CopyTo(body);
        MemoryMarshal.AsBytes(logits).CopyTo(body[(tokens.Length * sizeof(int))..]);
        stream.Write(content);
        stream.Write(SHA256.HashData(content));
        conversation.State.Save(stream);
    }

    /// <summary>Reads a conversation.</summary>
    /// <exception cref="InvalidDataException">The data violate the format, or belong to another model.</exception>
    public static Conversation Read(MambaLanguageModel model, Stream stream)
    {
        int vocabulary = model.Config.PaddedVocabularySize;
        byte[] header = ReadBytes(stream, HeaderLength);
        Require(header.AsSpan().StartsWith(Magic), "data that begin with MAMBATLK", "other data");
        RequireNumber(header, FormatAt, Format, Format, "format");
        int tokenCount = RequireNumber(header, TokensAt, 0, MostTokens, "tokens");
        RequireNumber(header, LogitsAt, vocabulary, vocabulary, "logits of this model");
        Require(
            header.AsSpan(ModelAt).SequenceEqual(WeightsOf(model)),
            "one of this model", "one of a model with other weights");
        byte[] body = ReadBytes(stream, ((long)tokenCount + vocabulary) * sizeof(int));
        using IncrementalHash checksum = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        checksum.AppendData(header);
        checksum.AppendData(body);
        if (!ReadBytes(stream, SHA256.HashSizeInBytes).AsSpan().SequenceEqual(checksum.GetHashAndReset()))
        {
            throw new InvalidDataException(
                "A saved conversation is damaged: its checksum is not that of its contents.");
        }

        Span<byte> tokens = body.AsSpan(0, tokenCount * sizeof(int)), logits = body.AsSpan(tokens.Length);
        List<int> ids = [.. MemoryMarshal.Cast<byte, int>(tokens)];
        Require(ids.TrueForAll(id => (uint)id < (uint)vocabulary), $"tokens below {vocabulary}", "others");
        ModelState state = model.CreateState();
        try
        {
            state.Load(stream);
            Require(state.Positions[0] == tokenCount, $"a state after {tokenCount} tokens", $"{state.Positions[0]}");
            return new(model, state, ids, [.. MemoryMarshal.Cast<byte, float>(logits)]);
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    private static byte[] WeightsOf(MambaLanguageModel model)
    {
        float[] weights = new float[model.Config.ModelDim];
        model.FinalNorm.Weight.Value.ReadElements(0, weights);
        return SHA256.HashData(MemoryMarshal.AsBytes(weights.AsSpan()));
    }

    /// <summary>Reads in pieces, so that a wrong length in the file does not allocate memory beyond the data.</summary>
    private static byte[] ReadBytes(Stream stream, long count)
    {
        MemoryStream read = new();
        byte[] piece = new byte[Math.Min(count, Piece)];
        while (read.Length < count)
        {
            int length = (int)Math.Min(piece.Length, count - read.Length);
            int found = stream.ReadAtLeast(piece.AsSpan(0, length), length, throwOnEndOfStream: false);
            read.Write(piece, 0, found);
            Require(found == length, $"{count} more bytes", $"{read.Length}: it is cut off");
        }

        return read.ToArray();
    }

    private static int RequireNumber(byte[] header, int at, int least, int most, string name)
    {
        long number = BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(at));
        string expected = least == most ? $"{least}" : $"{least} to {most}";
        Require(number >= least && number <= most, $"{name}: {expected}", $"{number}");
        return (int)number;
    }

    private static void Require(bool isTrue, string expected, string found)
    {
        if (!isTrue)
        {
            throw new InvalidDataException($"A saved conversation: expected {expected}; found {found}.");
        }
    }
}
