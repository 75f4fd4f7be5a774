#:project ../src/Mamba.Models/Mamba.Models.csproj
#:property PublishAot=false
using System.Diagnostics;
using System.Text;
using Mamba.Cpu;
using Mamba.Models;
using Mamba.Models.Generation;

// Continues a text with the model in samples/model, which has read the King James Bible byte by byte.
string folder = (string)AppContext.GetData("EntryPointFileDirectoryPath")!;
string prompt = args.Length > 0 ? string.Join(' ', args) : "And the LORD said unto Moses, ";

using CpuDevice device = new();
using MambaLanguageModel model = MambaLanguageModel.Load(Path.Combine(folder, "model"), device);
Console.WriteLine($"{model.ParameterCount:N0} parameters on {device}\n");
Console.Write(prompt);

int[] ids = [.. Encoding.UTF8.GetBytes(prompt).Select(b => (int)b)];
GenerationOptions options = new() { MaxTokens = 600, Sampling = new() { Temperature = 0.7, Seed = 1 } };
Stopwatch watch = Stopwatch.StartNew();
int count = 0;
await foreach (int token in model.GenerateAsync(ids, options))
{
    Console.Write((char)token);
    count++;
}

Console.WriteLine($"\n\n{count / watch.Elapsed.TotalSeconds:N0} bytes a second");
