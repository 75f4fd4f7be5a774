using System.Text.Json.Nodes;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Tests.Checkpoints;
using Mamba.Tests.Text;
using Mamba.Text;

namespace Mamba.Tests.Cli;

/// <summary><c>mamba generate</c>, <c>chat</c> and <c>tokenize</c> of a model with a tokenizer.</summary>
public sealed class TextCommandTests : IDisposable
{
    private const string Template =
        "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}<|assistant|>";

    private readonly TemporaryFolder _folder = new();
    private readonly TextTokenizer _tokenizer;

    public TextCommandTests()
    {
        Directory.CreateDirectory(_folder["model"]);
        JsonObject json = TokenizerJsonBuilder.ByteLevel(
            """{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}""",
            added:
            """
            [{"content": "<|end|>", "special": true, "single_word": false, "lstrip": false, "rstrip": false,
              "normalized": false}]
            """);
        File.WriteAllText(_folder["model/tokenizer.json"], json.ToJsonString());
        File.WriteAllText(_folder["model/tokenizer_config.json"], new JsonObject
        {
            ["eos_token"] = "<|end|>", ["chat_template"] = Template,
        }.ToJsonString());
        _tokenizer = TextTokenizer.Load(_folder["model"]);
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(
            device,
            new()
            {
                VocabularySize = _tokenizer.VocabularySize,
                Layers = [new MambaMixerOptions { ModelDim = 16, StateDim = 4 }],
            },
            new Random(1));
        model.Save(_folder["model"]);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Generate_continues_text_of_an_option_or_of_standard_input()
    {
        (int code, string output, string error) = await ToolProcess.RunAsync(
            "generate", _folder["model"], "--prompt", "Ein Café", "--tokens", "9", "--temperature", "0");
        (int piped, string same, _) = await ToolProcess.RunShellAsync(
            $"printf 'Ein Café' | $mamba generate {_folder["model"]} --tokens 9 --temperature 0");
        (_, string stopped, _) = await ToolProcess.RunAsync(
            "generate", _folder["model"], "--prompt", "Ein Café", "--tokens", "9", "--temperature", "0", "--stop",
            output.TrimEnd('\n')[^1..]);

        code.Should().Be(0, error);
        output.Should().StartWith("Ein Café").And.EndWith("\n");
        error.Should().MatchRegex(@"^prompt: \d+ tokens, [\d.]+ s; then \d tokens, [\d.]+ tokens/s\n$");
        piped.Should().Be(0);
        same.Should().Be(output);
        output.Should().StartWith(stopped.TrimEnd('\n'));
        stopped.Length.Should().BeLessThan(output.Length);
    }

    [Fact]
    public async Task Chat_answers_line_by_line_and_takes_answers_back()
    {
        (int code, string output, string error) = await ToolProcess.RunShellAsync(
            "printf 'Hello\\n/rewind\\nHello\\n/what\\nAnd more\\n/exit\\nnever' | $mamba chat " +
            $"{_folder["model"]} --tokens 5 --system 'Be brief.' --threads 1");

        code.Should().Be(0, error);
        string[] lines = error.TrimEnd('\n').Split('\n');
        lines.Should().HaveCount(4);
        lines[2].Should().StartWith("/what: unknown command.");
        lines[0].Should().MatchRegex(@"^prompt: \d+ tokens, 0 of them cached; \d tokens, [\d.]+ tokens/s$");
        lines[1].Should().StartWith(lines[0].Split(',')[0], "the first answer was taken back");
        lines[3].Should().NotContain(" 0 of them cached");
        int first = Prompt("system", "Be brief.", "user", "Hello");
        lines[0].Should().StartWith($"prompt: {first} tokens");
        output.Should().NotContain("never");
    }

    [Fact]
    public async Task Tokenize_shows_ids_and_spellings()
    {
        (int code, string ids, string error) =
            await ToolProcess.RunAsync("tokenize", _folder["model"], "the <|end|>", "--ids");
        (_, string table, _) = await ToolProcess.RunShellAsync(
            $"printf 'the <|end|>' | $mamba tokenize {_folder["model"]}");
        (_, string plain, _) =
            await ToolProcess.RunAsync("tokenize", _folder["model"], "the <|end|>", "--ids", "--no-special");

        code.Should().Be(0, error);
        ids.Should().Be(string.Join(' ', _tokenizer.Encode("the <|end|>")) + "\n");
        table.Should().Contain("  <|end|>\n").And.EndWith(" tokens\n");
        plain.Should().Be(string.Join(' ', _tokenizer.Encode("the <|end|>", false, false)) + "\n").And.NotBe(ids);
    }

    [Theory]
    [InlineData("*expected a chat template; the tokenizer has none*", "chat", "bytes")]
    [InlineData("mamba tokenize: *bytes: expected a tokenizer*", "tokenize", "bytes", "text")]
    [InlineData("mamba generate: --stop: expected at least one character*", "generate", "model", "--prompt", "a",
        "--stop", "")]
    public async Task What_is_missing_is_one_line(string message, params string[] arguments)
    {
        using (CpuDevice device = new(1))
        using (MambaLanguageModel bytes = new(
            device, new() { VocabularySize = 256, Layers = [new MambaMixerOptions { ModelDim = 16 }] }, new Random(1)))
        {
            bytes.Save(_folder["bytes"]);
        }

        (int code, string output, string error) =
            await ToolProcess.RunAsync([arguments[0], _folder[arguments[1]], .. arguments[2..]]);

        code.Should().Be(1);
        output.Should().BeEmpty();
        error.Trim().Should().Match(message).And.NotContain("\n");
    }

    private int Prompt(params string[] rolesAndTexts)
    {
        ChatTemplate template = ChatTemplate.Parse(Template);
        string text = template.Render(
            rolesAndTexts.Chunk(2).Select(pair => new ChatTemplateMessage(pair[0], pair[1])), _tokenizer);
        return _tokenizer.Encode(text, addSpecialTokens: false).Length;
    }
}
