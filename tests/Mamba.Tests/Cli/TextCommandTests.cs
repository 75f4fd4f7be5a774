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
        lines[0].Should().MatchRegex(
            @"^prompt: \d+ tokens, 0 of them cached; \d tokens, [\d.]+ tokens/s(; cut off after --tokens)?$");
        lines[1].Should().StartWith(lines[0].Split(',')[0], "the first answer was taken back");
        lines[3].Should().NotContain(" 0 of them cached");
        int first = Prompt("system", "Be brief.", "user", "Hello");
        lines[0].Should().StartWith($"prompt: {first} tokens");
        output.Should().NotContain("never");
    }

    [Fact]
    public async Task Generate_prints_json_with_log_probabilities_and_keeps_a_schema_and_a_draft()
    {
        File.WriteAllText(
            _folder["schema.json"],
            """{"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}""");
        string[] options =
        [
            "generate", _folder["model"], "--prompt", "Ein", "--schema", _folder["schema.json"], "--min-p", "0.01",
            "--typical-p", "0.9", "--frequency-penalty", "0.1", "--presence-penalty", "-0.1", "--logit-bias", "5=1",
            "--json", "--log-probabilities", "2",
        ];

        (int code, string output, string error) = await ToolProcess.RunAsync(options);
        (int drafted, string same, string fault) =
            await ToolProcess.RunAsync([.. options, "--draft", _folder["model"]]);

        code.Should().Be(0, error);
        JsonNode report = JsonNode.Parse(output)!;
        JsonNode.Parse(report["text"]!.GetValue<string>())!["a"]!.GetValue<int>().Should().BeOneOf(1, 2);
        report["finish"]!.GetValue<string>().Should().Be("stop");
        report["log_probabilities"]!.AsArray().Should().HaveCount(report["tokens"]!.AsArray().Count);
        report["log_probabilities"]![0]!["likeliest"]!.AsArray().Should().HaveCount(2);
        drafted.Should().Be(0, fault);
        JsonNode.Parse(same)!["tokens"]!.ToJsonString().Should().Be(report["tokens"]!.ToJsonString());
        JsonNode.Parse(same)!["drafted"]!.GetValue<int>().Should().BePositive();
    }

    [Fact]
    public async Task Beams_find_a_text_and_greedy_is_one_beam()
    {
        string[] options = ["generate", _folder["model"], "--prompt", "Ein", "--tokens", "7"];

        (int code, string one, string error) = await ToolProcess.RunAsync([.. options, "--beams", "1"]);
        (_, string greedy, _) = await ToolProcess.RunAsync([.. options, "--temperature", "0"]);

        code.Should().Be(0, error);
        one.Should().Be(greedy);
    }

    [Fact]
    public async Task Chat_forks_saves_and_loads()
    {
        string file = _folder["talk.json"];
        (int code, _, string error) = await ToolProcess.RunShellAsync(
            $"printf 'One\\n/fork here\\nTwo\\n/save {file}\\n/rewind here\\nTwo\\n/clear\\nOne\\n/load {file}\\n" +
            $"Three\\n/rewind there\\n/load {file}.none\\n/fork\\n' | " +
            $"$mamba chat {_folder["model"]} --tokens 5 --threads 1");

        code.Should().Be(0, error);
        string[] lines = error.TrimEnd('\n').Split('\n');
        string[] prompts = [.. lines.Where(line => line.StartsWith("prompt:")).Select(line => line.Split(',')[0])];
        prompts.Should().HaveCount(5);
        prompts[2].Should().Be(prompts[1], "the fork is the place after the first answer");
        prompts[3].Should().Be(prompts[0]);
        JsonArray saved = JsonNode.Parse(File.ReadAllText(file))!.AsArray();
        saved.Select(message => message!["role"]!.GetValue<string>())
            .Should().Equal("user", "assistant", "user", "assistant");
        prompts[4].Should().Be($"prompt: {Prompt([
            .. saved.SelectMany(message => new[]
            {
                message!["role"]!.GetValue<string>(), message["content"]!.GetValue<string>(),
            }),
            "user", "Three",
        ])} tokens");
        lines[^3].Should().StartWith("/rewind: expected a name that /fork has kept; found \"there\".");
        lines[^2].Should().Contain("talk.json.none");
        lines[^1].Should().StartWith("/fork: expected a name");
    }

    [Fact]
    public async Task Perplexity_is_that_of_the_models_logits_in_one_pass_and_in_windows()
    {
        string text = string.Concat(Enumerable.Repeat("Ein Café, the end. ", 12));
        File.WriteAllText(_folder["text.txt"], text);
        int[] ids = _tokenizer.Encode(text);
        using CpuDevice device = new(1);
        using MambaLanguageModel model = MambaLanguageModel.Load(_folder["model"], device);
        double whole = Enumerable.Range(1, ids.Length - 1).Average(i => Loss(model, ids, 0, i));
        double windows = Enumerable.Range(1, ids.Length - 1).Average(i =>
            Loss(model, ids, Math.Max(0, ((i - 1) / 8 * 8) - 5), i));

        (int code, string output, string error) = await ToolProcess.RunAsync(
            "perplexity", _folder["model"], _folder["text.txt"], "--json", "--threads", "1");
        (_, string strided, _) = await ToolProcess.RunAsync(
            "perplexity", _folder["model"], _folder["text.txt"], "--json", "--context", "5", "--stride", "8");
        (_, string table, _) = await ToolProcess.RunAsync("perplexity", _folder["model"], _folder["text.txt"]);

        code.Should().Be(0, error);
        JsonNode report = JsonNode.Parse(output)!;
        report["tokens"]!.GetValue<int>().Should().Be(ids.Length - 1);
        report["nats_per_token"]!.GetValue<double>().Should().BeApproximately(whole, 1e-5);
        report["perplexity"]!.GetValue<double>().Should().BeApproximately(Math.Exp(whole), 1e-3);
        JsonNode.Parse(strided)!["nats_per_token"]!.GetValue<double>().Should().BeApproximately(windows, 1e-5);
        table.Should().MatchRegex(@"perplexity +│ [\d.]+").And.MatchRegex(@"bits per byte +│ [\d.]+");
    }

    [Theory]
    [InlineData("bash", "complete -o default -F _mamba mamba")]
    [InlineData("zsh", "compdef _mamba mamba")]
    [InlineData("fish", "complete -c mamba")]
    [InlineData("powershell", "Register-ArgumentCompleter")]
    public async Task Completion_prints_a_script(string shell, string part)
    {
        (int code, string script, string error) = await ToolProcess.RunAsync("completion", shell);

        code.Should().Be(0, error);
        script.Should().Contain(part);
    }

    [Fact]
    public async Task The_program_suggests_what_a_shell_asks_for()
    {
        (_, string suggested, _) = await ToolProcess.RunAsync("[suggest:11]", "mamba perpl");

        suggested.Should().Contain("perplexity");
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
        (_, string json, _) = await ToolProcess.RunAsync("tokenize", _folder["model"], "the <|end|>", "--json");

        JsonArray tokens = JsonNode.Parse(json)!.AsArray();
        tokens.Select(token => token!["id"]!.GetValue<int>()).Should().Equal(_tokenizer.Encode("the <|end|>"));
        tokens[^1]!["text"]!.GetValue<string>().Should().Be("<|end|>");
        code.Should().Be(0, error);
        ids.Should().Be(string.Join(' ', _tokenizer.Encode("the <|end|>")) + "\n");
        table.Should().Contain("  <|end|>\n").And.EndWith(" tokens\n");
        plain.Should().Be(string.Join(' ', _tokenizer.Encode("the <|end|>", false, false)) + "\n").And.NotBe(ids);
    }

    [Theory]
    [InlineData("*expected a chat template; the tokenizer has none*", "chat", "bytes")]
    [InlineData("mamba tokenize: *bytes: expected a tokenizer*", "tokenize", "bytes", "text")]
    [InlineData("mamba generate: --format: expected text or json; found \"xml\".", "generate", "model", "--prompt",
        "a", "--format", "xml")]
    [InlineData("mamba generate: --logit-bias: expected the id*found \"5\".", "generate", "model", "--prompt", "a",
        "--logit-bias", "5")]
    [InlineData("mamba generate: --beams: expected neither --draft*", "generate", "model", "--prompt", "a",
        "--beams", "2", "--format", "json")]
    [InlineData("mamba generate: --presence-penalty: expected a number*", "generate", "model", "--presence-penalty",
        "x")]
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

    /// <summary>The loss of a token after the tokens from a first one on, by one pass over them.</summary>
    private static double Loss(MambaLanguageModel model, int[] ids, int first, int token)
    {
        using ModelState state = model.CreateState();
        float[] logits = new float[model.Config.PaddedVocabularySize];
        model.Prefill(ids.AsSpan(first, token - first), state, logits);
        double largest = logits.Max();
        return largest + Math.Log(logits.Sum(logit => Math.Exp(logit - largest))) - logits[ids[token]];
    }

    private int Prompt(params string[] rolesAndTexts)
    {
        ChatTemplate template = ChatTemplate.Parse(Template);
        string text = template.Render(
            rolesAndTexts.Chunk(2).Select(pair => new ChatTemplateMessage(pair[0], pair[1])), _tokenizer);
        return _tokenizer.Encode(text, addSpecialTokens: false).Length;
    }
}
