using System.Text;
using CsCheck;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Models.Serving;
using Mamba.Text;

namespace Mamba.Tests.Text;

public sealed class GeneratedTextTests
{
    private static readonly TextTokenizer Tokenizer = new ByteTokenizer();

    [Fact]
    public void All_pieces_are_the_text_before_the_stop_string_and_the_tokens_are_its_tokens() =>
        Gen.Select(Gen.String[Gen.Char["aé€b"], 0, 12], Gen.String[Gen.Char["aé€b"], 1, 3]).Sample((whole, stop) =>
        {
            GeneratedText text = new(Tokenizer, [stop]);
            StringBuilder found = new();
            List<int> tokens = [];
            foreach (TextPiece piece in Tokenizer.Encode(whole).Select(id => text.Append(new(id, null, [])))
                .Append(default).Select(piece => piece.Tokens is null ? text.Finish() : piece))
            {
                found.Append(piece.Text);
                tokens.AddRange(piece.Tokens.Select(token => token.Id));
            }

            int at = whole.IndexOf(stop, StringComparison.Ordinal);
            found.ToString().Should().Be(at < 0 ? whole : whole[..at]);
            text.IsStopped.Should().Be(at >= 0);
            tokens.Should().Equal(Tokenizer.Encode(found.ToString()));
        });

    [Fact]
    public void A_prompt_is_text_and_no_stop_string_is_found_in_it()
    {
        GeneratedText text = new(Tokenizer, ["ab"]);

        text.Begin(Tokenizer.Encode("ab€").AsSpan(0, 4)).Should().Be("ab");
        text.Append(new(Tokenizer.Encode("€")[2], null, [])).Text.Should().Be("€");
        text.IsStopped.Should().BeFalse();
    }

    [Fact]
    public void An_empty_stop_string_is_refused()
    {
        FluentActions.Invoking(() => new GeneratedText(Tokenizer, [""])).Should().Throw<ArgumentException>()
            .WithMessage("*empty*");
        FluentActions.Invoking(() => StopStrings.Rule(Tokenizer, ["a", ""])).Should().Throw<ArgumentException>();
        StopStrings.Rule(Tokenizer, []).Should().BeNull();
    }

    [Fact]
    public async Task Every_way_to_generate_ends_with_the_token_that_completes_a_stop_string()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(
            device,
            new() { VocabularySize = 128, Layers = [new MambaMixerOptions { ModelDim = 8, StateDim = 2 }] },
            new Random(1));
        int[] prompt = [65, 66];
        GenerationOptions options = new() { MaxTokens = 40, StopTokens = [], Sampling = new() { Seed = 11 } };
        int[] whole = await Collect(model.GenerateAsync(prompt, options));
        string text = Tokenizer.Decode(whole.AsSpan(10, 3));
        string[] stops = ["never there", text];
        GenerationOptions stopping = options with { StopRule = StopStrings.Rule(Tokenizer, stops) };

        int[] stopped = await Collect(model.GenerateAsync(prompt, stopping));
        using Conversation conversation = new(model);
        conversation.Append(prompt);
        int[] inConversation = await Collect(conversation.GenerateAsync(stopping));
        await using MambaEngine engine = new(model, new() { Slots = 2 });
        GenerationRequest request = engine.Submit(prompt, stopping);
        IReadOnlyList<int> inEngine = await request.ReadAllAsync();

        stopped.Should().Equal(whole[..13], "the string is complete there");
        Tokenizer.Decode(stopped).Should().EndWith(text);
        inConversation.Should().Equal(stopped);
        conversation.Finish.Should().Be(FinishReason.Stop);
        inEngine.Should().Equal(stopped);
        request.Finish.Should().Be(FinishReason.Stop);
        (await Collect(model.GenerateAsync(prompt, stopping))).Should().Equal(stopped, "the rule begins anew");
    }

    private static async Task<int[]> Collect(IAsyncEnumerable<int> tokens)
    {
        List<int> all = [];
        await foreach (int token in tokens)
        {
            all.Add(token);
        }

        return [.. all];
    }
}
