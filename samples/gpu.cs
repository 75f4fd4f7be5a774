#:project ../src/Mamba.Gpu/Mamba.Gpu.csproj
#:project ../src/Mamba.Models/Mamba.Models.csproj
#:property PublishAot=false
using System.Diagnostics;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Gpu;
using Mamba.Models;

// The same model on the processor and on a GPU; "dotnet run -c Release samples/gpu.cs" lists the devices, too.
IReadOnlyList<GpuInfo> devices = GpuDevice.Find();
Console.WriteLine(
    devices.Count == 0 ? "There is no GPU here; it is emulated, which is slow." : string.Join('\n', devices));
GpuInfo? first = devices.Count == 0 ? null : devices[0];

LanguageModelConfig config = LanguageModelConfig.Mamba2(modelDim: 64, layers: 1, vocabularySize: 256);
int[] prompt = [.. "In the beginning "u8.ToArray().Select(value => (int)value)];
float[] onCpu = Run(new CpuDevice());
float[] onGpu = Run(GpuDevice.Open(new() { Kind = first?.Kind ?? GpuKind.Emulation, Index = first?.Index ?? 0 }));
double worst = onCpu.Zip(onGpu, (a, b) => Math.Abs(a - b)).Max() / onCpu.Max(Math.Abs);
Console.WriteLine($"The logits differ by at most {worst:0.0e+0} of the largest.");
return worst < 1e-4 ? 0 : 1;

// Reads the prompt and then eight tokens one by one, on any device.
float[] Run(Device device)
{
    using (device)
    {
        using MambaLanguageModel model = new(device, config, new Random(1));
        using ModelState state = model.CreateState();
        float[] logits = new float[config.PaddedVocabularySize];
        model.Prefill(prompt, state, logits);
        model.Step([1], state, logits); // compiles what a step needs
        long start = Stopwatch.GetTimestamp();
        for (int token = 2; token < 8; token++)
        {
            model.Step([token], state, logits);
        }

        Console.WriteLine($"{device}: {6 / Stopwatch.GetElapsedTime(start).TotalSeconds:0} tokens/s");
        return logits;
    }
}
