#:project ../src/Mamba.Models/Mamba.Models.csproj
#:project ../src/Mamba.Text/Mamba.Text.csproj
#:property PublishAot=false
using System.Diagnostics;
using Mamba.Cpu;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Text;

// Continues a text with the model in samples/model, which has read the King James Bible byte by byte.
string folder = (string)AppContext.GetData("EntryPointFileDirectoryPath")!;
string prompt = args.Length > 0 ? string.Join(' ', args) : "And the LORD said unto Moses, ";

using CpuDevice device = new();
using MambaLanguageModel model = MambaLanguageModel.Load(Path.Combine(folder, "model"), device);
Console.WriteLine($"{model.ParameterCount:N0} parameters on {device}\n");
Console.Write(prompt);

ByteTokenizer tokenizer = new();
TokenDecoder decoder = tokenizer.CreateDecoder();
GenerationOptions options = new() { MaxTokens = 600, Sampling = new() { Temperature = 0.7, Seed = 1 } };
Stopwatch watch = Stopwatch.StartNew();
int count = 0;
await foreach (int token in model.GenerateAsync(tokenizer.Encode(prompt), options))
{
    Console.Write(decoder.Append(token));
    count++;
}

Console.WriteLine($"\n\n{count / watch.Elapsed.TotalSeconds:N0} bytes a second");
