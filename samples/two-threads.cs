#:project ../src/Mamba.Models/Mamba.Models.csproj
#:property PublishAot=false
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;

// One model, two threads: weights are shared, and each thread has a state of its own.
using CpuDevice device = new();
LanguageModelConfig config = new()
{
    VocabularySize = 256,
    Layers =
    [
        new MambaMixerOptions { ModelDim = 64 },
        new Mamba2MixerOptions { ModelDim = 64, StateDim = 16, HeadDim = 16 },
    ],
};
using MambaLanguageModel model = new(device, config, new Random(1));

float[] first = Decode("the first text"u8), second = Decode("another one"u8);
float[] firstAtOnce = [], secondAtOnce = [];
Thread other = new(() => secondAtOnce = Decode("another one"u8));
other.Start();
firstAtOnce = Decode("the first text"u8);
other.Join();

bool isEqual = first.AsSpan().SequenceEqual(firstAtOnce) && second.AsSpan().SequenceEqual(secondAtOnce);
Console.WriteLine($"{device}: two threads at once compute {(isEqual ? "the bits of" : "other bits than")} each alone");
return isEqual ? 0 : 1;

// Reads a prompt, takes 100 steps with the likeliest token, and returns the last logits.
float[] Decode(ReadOnlySpan<byte> text)
{
    int[] prompt = new int[text.Length];
    for (int i = 0; i < prompt.Length; i++)
    {
        prompt[i] = text[i];
    }

    using ModelState state = model.CreateState();
    float[] logits = new float[config.VocabularySize];
    model.Prefill(prompt, state, logits);
    for (int i = 0; i < 100; i++)
    {
        model.Step([Array.IndexOf(logits, logits.Max())], state, logits);
    }

    return logits;
}
