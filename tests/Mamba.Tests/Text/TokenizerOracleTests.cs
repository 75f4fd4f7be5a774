using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mamba.Text;
using Mamba.Text.Files;

namespace Mamba.Tests.Text;

/// <summary>Our tokenizers against Hugging Face's, on random texts.</summary>
public class TokenizerOracleTests
{
    private static readonly string[] _words =
    [
        "<|endoftext|>", "<|im_start|>", "<s>", "</s>", "[INST]", "<L>", "<R>", "<LR>", "Word", "Été", "été",
        "e\u0301te\u0301",
        "ÉTÉS", "Wor", "<unk>", "<0x41>", " <R> ", "  <L>", "aWord", "Word9", "WWord", "W[INST]",
    ];

    public static TheoryData<string> Names => [.. TokenizerFamilies.All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_family_gives_the_tokens_and_the_text_of_the_reference(string name)
    {
        JsonObject file = TokenizerFamilies.All[name]();
        using HuggingFaceOracle oracle = HuggingFaceOracle.Of(file);
        TextTokenizer tokenizer = TokenizerJson.Read(JsonSerializer.SerializeToUtf8Bytes(file), new());
        Compare(tokenizer, oracle, count: Thorough.IsAsked ? 5000 : 300, Omitted(name));
    }

    [Fact]
    public void The_published_vocabulary_of_GPT_NeoX_gives_the_tokens_and_the_text_of_the_reference()
    {
        string path = Published.Path("gpt-neox-20b");
        using HuggingFaceOracle oracle = HuggingFaceOracle.Load(path);
        Compare(TextTokenizer.Load(path), oracle, count: Thorough.IsAsked ? 50_000 : 2000);
    }

    // Of these the reference knows only the older ones: its classes are of Unicode 8 and 9 there.
    private static UnicodeCategory[] Omitted(string name) =>
        name.Contains("unctuation", StringComparison.Ordinal) || name is "falcon" or "falcon-h1" or "BertPreTokenizer"
            ?
            [
                UnicodeCategory.ConnectorPunctuation, UnicodeCategory.DashPunctuation, UnicodeCategory.OpenPunctuation,
                UnicodeCategory.ClosePunctuation, UnicodeCategory.InitialQuotePunctuation,
                UnicodeCategory.FinalQuotePunctuation, UnicodeCategory.OtherPunctuation, UnicodeCategory.OtherSymbol,
            ]
            : name == "StripAccents"
            ?
            [
                UnicodeCategory.NonSpacingMark, UnicodeCategory.SpacingCombiningMark, UnicodeCategory.EnclosingMark,
            ]
            : [];

    private static void Compare(
        TextTokenizer tokenizer, HuggingFaceOracle oracle, int count, params UnicodeCategory[] omitted)
    {
        Random random = new(1);
        for (int i = 0; i < count; i++)
        {
            string text = RandomText.Next(random, _words, halves: false, omitted);

            int[] ids = tokenizer.Encode(text);

            int[] expected = oracle.Encode(text);
            if (!ids.SequenceEqual(expected))
            {
                Assert.Fail(
                    $"{JsonSerializer.Serialize(text)}\n{Tokens(tokenizer, ids)}\n{Tokens(tokenizer, expected)}");
            }

            int[] any = [.. Enumerable.Range(0, random.Next(12)).Select(_ => random.Next(tokenizer.VocabularySize))];
            foreach (int[] tokens in new[] { ids, any })
            {
                tokenizer.Decode(tokens, skipSpecialTokens: true).Should().Be(
                    oracle.Decode(tokens), "these are the tokens {0}", Tokens(tokenizer, tokens));
            }
        }
    }

    private static string Tokens(TextTokenizer tokenizer, int[] ids) => string.Join(' ', ids.Select(tokenizer.TokenOf));
}
