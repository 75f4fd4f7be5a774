#:project ../src/Mamba.Models/Mamba.Models.csproj
#:project ../src/Mamba.Text/Mamba.Text.csproj
using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Optimization;
using Mamba.Text;

// A model is trained, saved, loaded and continued, and a conversation becomes tokens, in a program that can be
// published as Native AOT:
// dotnet publish -c Release samples/aot.cs
string folder = Directory.CreateTempSubdirectory("mamba-aot-").FullName;
int[] text = [.. Enumerable.Range(0, 64).Select(i => i % 8)];
using CpuDevice device = new();
LanguageModelConfig config = LanguageModelConfig.Mamba2(modelDim: 64, layers: 2, vocabularySize: 16);
using MambaLanguageModel model = new(device, config, new Random(1));
using AdamW optimizer = new(model, new() { LearningRate = 1e-2 });
float loss = 0;
for (int step = 0; step < 30; step++)
{
    using DeviceScope scope = device.Scope();
    using Tape tape = new(device);
    model.ClearGradients();
    DeviceArray mean = model.Loss(text);
    tape.Backward(mean);
    optimizer.Step();
    loss = mean.ToArray()[0];
}

model.Save(folder);
using MambaLanguageModel loaded = MambaLanguageModel.Load(folder, device);
Directory.Delete(folder, recursive: true);
List<int> continued = [];
GenerationOptions options = new() { MaxTokens = 16, Sampling = SamplingOptions.Greedy };
await foreach (int token in loaded.GenerateAsync(text.AsMemory(0, 16), options))
{
    continued.Add(token);
}

bool isLearned = continued.SequenceEqual(text[..16]);
Console.WriteLine($"{device}: loss {loss:f3}; 0 1 2 … 7 goes on with {string.Join(' ', continued)}");

const string Template = "{% for m in messages %}<{{ m.role|upper }}>{{ m.content }}{% endfor %}";
string conversation = ChatTemplate.Parse(Template).Render([new("user", "ab aé")]);
TextTokenizer tokenizer = TextTokenizer.Create(new()
{
    Model = "gpt2",
    Tokens = [.. Enumerable.Range(0, 256).Select(id => new ByteTokenizer().TokenOf(id)!), "ab", "<USER>"],
    Kinds = [.. Enumerable.Repeat(1, 257), 3],
    Merges = ["a b"],
    PreTokenizer = "gpt-2",
});
int[] tokens = tokenizer.Encode(conversation);
Console.WriteLine($"{conversation} has the tokens {string.Join(' ', tokens)}");
bool isRead = tokens is [257, 256, ..] && tokenizer.Decode(tokens) == conversation;
return isLearned && isRead ? 0 : 1;
