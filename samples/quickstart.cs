#:project ../src/Mamba.Models/Mamba.Models.csproj
using System.Diagnostics;
using System.Text;
using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Training;

// Learns to write the King James Bible, byte by byte, in about a minute; then continues a prompt.
const int Batch = 16, Length = 256, Steps = 340, Warmup = 20;
string folder = (string)AppContext.GetData("EntryPointFileDirectoryPath")!;
byte[] text = File.ReadAllBytes(Path.Combine(folder, "data", "kjv-pentateuch.txt"));
byte[] training = text[..^40_000], heldOut = text[^40_000..];

using CpuDevice device = new();
Random random = new(1);
Mamba2MixerOptions layer = new() { ModelDim = 128, StateDim = 32, HeadDim = 32 };
LanguageModelConfig config = new() { VocabularySize = 256, Layers = [layer, layer, layer, layer] };
using MambaLanguageModel model = new(device, config, random);
using AdamW optimizer = new(model, new() { Beta2 = 0.95, WeightDecay = 0.1 });
Console.WriteLine($"{model.ParameterCount:N0} parameters on {device}");

Stopwatch watch = Stopwatch.StartNew();
for (int step = 0; step < Steps; step++)
{
    using DeviceScope scope = device.Scope();
    using Tape tape = new(device);
    DeviceArray loss = model.Loss(Windows(training), Batch);
    tape.Backward(loss);
    Gradients.Clip(model, 1);
    optimizer.Step(6e-3 * Math.Min((step + 1.0) / Warmup, 1) * (0.55 + (0.45 * Math.Cos(Math.PI * step / Steps))));
    if ((step + 1) % 25 == 0)
    {
        double bits = loss.ToArray()[0] / Math.Log(2), seconds = watch.Elapsed.TotalSeconds;
        double speed = (step + 1) * Batch * Length / seconds;
        Console.WriteLine($"step {step + 1,4}  {bits:0.00} bits per byte  {speed:N0} bytes/s  {seconds:0} s");
    }
}

Console.WriteLine($"held out: {HeldOutBits():0.00} bits per byte\n");
const string Prompt = "And the LORD said unto Moses, ";
Console.Write(Prompt);
GenerationOptions options = new() { MaxTokens = 400, Sampling = new() { Temperature = 0.7, Seed = 1 } };
int[] prompt = [.. Encoding.UTF8.GetBytes(Prompt).Select(b => (int)b)];
await foreach (int token in model.GenerateAsync(prompt, options))
{
    Console.Write((char)token);
}

Console.WriteLine();

// Random windows of the text, one a row.
int[] Windows(byte[] source)
{
    int[] ids = new int[Batch * Length];
    for (int row = 0; row < Batch; row++)
    {
        Array.Copy(source, random.Next(source.Length - Length), ids, row * Length, Length);
    }

    return ids;
}

// The whole held-out text in pieces: the state carries what came before.
double HeldOutBits()
{
    using ModelState state = model.CreateState();
    double nats = 0;
    for (int start = 0; start < heldOut.Length; start += 1000)
    {
        using DeviceScope scope = device.Scope();
        int[] piece = [.. heldOut[start..(start + 1000)].Select(b => (int)b)];
        nats += model.Loss(piece, 1, state).ToArray()[0] * (piece.Length - 1);
    }

    return nats / (heldOut.Length - (heldOut.Length / 1000)) / Math.Log(2);
}
