using System.Buffers.Binary;
using System.Text;
using Mamba.Text.Tokenizing;

namespace Mamba.Text.Files;

/// <summary>The model file of SentencePiece (<c>tokenizer.model</c>) with byte-pair encoding.</summary>
/// <remarks>The fields are those of <c>sentencepiece_model.proto</c>.</remarks>
internal static class SentencePieceFile
{
    private static readonly UTF8Encoding _utf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>Reads the bytes of the file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="config">The files that stand beside it.</param>
    public static TextTokenizer Read(ReadOnlySpan<byte> file, TokenizerConfig config)
    {
        List<string> tokens = [];
        List<float> scores = [];
        List<int> kinds = [];
        int modelType = 1, unknown = 0, begin = 1, end = 2, padding = -1;
        bool hasPrefix = true;
        ProtobufReader fields = new(file);
        while (fields.Next())
        {
            if (fields.Number == 1)
            {
                Piece(fields.Message(), tokens, scores, kinds);
            }
            else if (fields.Number == 2)
            {
                ProtobufReader trainer = fields.Message();
                while (trainer.Next())
                {
                    switch (trainer.Number)
                    {
                        case 3: modelType = trainer.Integer(); break;
                        case 24 when trainer.Integer() != 0: throw Unsupported.Part("spaces at the end of words");
                        case 40: unknown = trainer.Integer(); break;
                        case 41: begin = trainer.Integer(); break;
                        case 42: end = trainer.Integer(); break;
                        case 43: padding = trainer.Integer(); break;
                    }
                }
            }
            else if (fields.Number == 3)
            {
                hasPrefix = Normalizer(fields.Message());
            }
        }

        if (modelType != 2)
        {
            string[] names = ["unigram", "", "word", "character"];
            string name = modelType is >= 1 and <= 4 ? names[modelType - 1] : $"number {modelType}";
            throw Unsupported.Part($"a SentencePiece model of the type {name} (byte pairs are)");
        }

        int? Id(string? token, int id) => token is not null && tokens.IndexOf(token) is >= 0 and int named ? named
            : id >= 0 && id < tokens.Count ? id
            : null;
        return VocabularyReader.Read(new()
        {
            Model = "llama",
            Tokens = tokens,
            Scores = scores,
            Kinds = kinds,
            BeginToken = Id(config.BeginToken, begin),
            EndToken = Id(config.EndToken, end),
            UnknownToken = Id(config.UnknownToken, unknown),
            PaddingToken = Id(config.PaddingToken, padding),
            AddBeginToken = config.AddBeginToken,
            AddEndToken = config.AddEndToken,
            AddSpacePrefix = hasPrefix,
            ChatTemplate = config.ChatTemplate,
        });
    }

    private static void Piece(ProtobufReader piece, List<string> tokens, List<float> scores, List<int> kinds)
    {
        (string text, float score, int kind) = ("", 0, 1);
        while (piece.Next())
        {
            switch (piece.Number)
            {
                case 1: text = Text(piece.Bytes()); break;
                case 2: score = BinaryPrimitives.ReadSingleLittleEndian(piece.Fixed32()); break;
                case 3: kind = piece.Integer(); break;
            }
        }

        // A user-defined piece is found in the text before spaces are written as ▁.
        tokens.Add(kind == 4 ? text.Replace('▁', ' ') : text);
        scores.Add(score);
        kinds.Add(kind);
    }

    private static bool Normalizer(ProtobufReader normalizer)
    {
        bool hasPrefix = true, removesSpaces = true;
        while (normalizer.Next())
        {
            switch (normalizer.Number)
            {
                case 2 when normalizer.Bytes().Length > 0:
                    throw Unsupported.Part("a SentencePiece normalizer with a map of characters");
                case 3: hasPrefix = normalizer.Integer() != 0; break;
                case 4: removesSpaces = normalizer.Integer() != 0; break;
                case 5 when normalizer.Integer() == 0:
                    throw Unsupported.Part("a SentencePiece normalizer that does not escape spaces");
            }
        }

        return !removesSpaces ? hasPrefix : throw Unsupported.Part("a SentencePiece normalizer that removes spaces");
    }

    private static string Text(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return _utf8.GetString(bytes);
        }
        catch (DecoderFallbackException exception)
        {
            throw Unsupported.Data("a SentencePiece piece is no UTF-8.", exception);
        }
    }
}
