#:project ../src/Mamba.Models/Mamba.Models.csproj
#:property PublishAot=false
using System.Text;
using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Optimization;

// Fine-tuning with LoRA: the weights of the model are frozen, and small adapters beside its projections are trained.
string folder = Path.Combine((string)AppContext.GetData("EntryPointFileDirectoryPath")!, "model");
string adapters = Directory.CreateTempSubdirectory("mamba-lora-").FullName;
byte[] bytes = Encoding.ASCII.GetBytes("the quick brown fox jumps over the lazy dog, and the dog sleeps on.\n");
int[] text = [.. bytes.Select(b => (int)b)];

using CpuDevice device = new();
using MambaLanguageModel model = MambaLanguageModel.Load(folder, device);
double before = Loss(model);
int count = LowRank.Adapt(model, new() { Rank = 8, Alpha = 16 }, new Random(1));
long trained = model.Parameters
    .Where(named => named.Parameter.IsTrainable)
    .Sum(named => (long)named.Parameter.Value.Shape.Count);
Console.WriteLine($"{count} adapters, {trained:N0} weights to train, of {model.ParameterCount:N0}");

using AdamW optimizer = new(model, new() { LearningRate = 5e-3 });
for (int step = 0; step < 30; step++)
{
    using DeviceScope scope = device.Scope();
    using Tape tape = new(device);
    model.ClearGradients();
    tape.Backward(model.Loss(text));
    optimizer.Step();
}

double after = Loss(model);
Console.WriteLine($"loss of the new text: {before:f3} before, {after:f3} after");

// Adapters are saved by themselves, in the format of the PEFT library, and loaded beside the same model.
model.SaveAdapters(adapters);
using MambaLanguageModel other = MambaLanguageModel.Load(folder, device);
other.LoadAdapters(adapters);
double loaded = Loss(other);
LowRank.Merge(other); // adds them to the weights: a plain model again
Console.WriteLine($"loaded {loaded:f3}, merged {Loss(other):f3}");
Directory.Delete(adapters, recursive: true);
return after < before / 2 && Math.Abs(loaded - after) < 1e-4 ? 0 : 1;

double Loss(MambaLanguageModel some)
{
    using DeviceScope scope = device.Scope();
    return some.Loss(text).ToArray()[0];
}
