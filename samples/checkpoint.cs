#:project ../src/Mamba.Models/Mamba.Models.csproj
#:property PublishAot=false
using Mamba.Cpu;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Generation;

// Loads a published checkpoint, quantized in four ways. The arguments are its folder and the token ids of a prompt:
// dotnet run -c Release samples/checkpoint.cs mamba-130m-hf 510 5347
// Without arguments, the small model of samples/model is used.
string samples = (string)AppContext.GetData("EntryPointFileDirectoryPath")!;
string folder = args.Length > 0 ? args[0] : Path.Combine(samples, "model");
int[] prompt = args.Length > 1 ? [.. args[1..].Select(int.Parse)] : [.. "In the beginning".Select(c => (int)c)];

foreach (Precision precision in (Precision[])[Precision.Float32, Precision.BFloat16, Precision.Int8, Precision.Int4])
{
    using CpuDevice device = new();
    using MambaLanguageModel model = MambaLanguageModel.Load(folder, device, precision: precision);
    Console.Write($"{precision,-8} {device.AllocatedBytes / 1e6,8:N1} MB, {model.ParameterCount:N0} weights:");
    GenerationOptions options = new() { MaxTokens = 16, Sampling = SamplingOptions.Greedy };
    await foreach (int token in model.GenerateAsync(prompt, options))
    {
        Console.Write($" {token}");
    }

    Console.WriteLine();
}
