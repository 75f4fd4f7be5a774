#:project ../src/Mamba/Mamba.csproj
#:property PublishAot=false
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;

// A layer on its own: a sequence at once gives what its tokens give one by one.
using CpuDevice device = new();
using Mamba2Mixer mixer = new(device, new() { ModelDim = 64, StateDim = 16, HeadDim = 16 }, new Random(1));
float[] tokens = new float[10 * 64];
for (int i = 0; i < tokens.Length; i++)
{
    tokens[i] = MathF.Sin(i);
}

// A scope frees what is computed inside it.
float[] atOnce;
using (device.Scope())
{
    atOnce = mixer.Forward(device.Array([1, 10, 64], tokens)).ToArray();
}

// In a loop every round has a scope of its own, so that memory does not grow with the number of tokens.
using LayerState state = mixer.CreateState(batch: 1);
double worst = 0;
for (int t = 0; t < 10; t++)
{
    using DeviceScope scope = device.Scope();
    float[] y = mixer.Step(device.Array([1, 1, 64], tokens.AsSpan(t * 64, 64)), state).ToArray();
    for (int i = 0; i < 64; i++)
    {
        worst = Math.Max(worst, Math.Abs(y[i] - atOnce[(t * 64) + i]));
    }
}

Console.WriteLine($"{device}: 10 steps differ from the sequence by at most {worst:0.0e+0}");
return worst < 1e-5 ? 0 : 1;
