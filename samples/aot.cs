#:project ../src/Mamba.Models/Mamba.Models.csproj
using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Optimization;

// A model is trained, saved, loaded and continued, in a program that can be published as Native AOT:
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
return isLearned ? 0 : 1;
