#:project ../src/Mamba/Mamba.csproj
#:property PublishAot=false
using Mamba.Autograd;
using Mamba.Checkpoints;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Optimization;

// A classifier that reads sequences both ways. It learns to say which token stands first and which one stands last.
const int Tokens = 3, Length = 24, Batch = 32, Dim = 16, Classes = Tokens * Tokens, Tests = 32;
using CpuDevice device = new();
using Sequential model = Classifier(new Random(1)), loaded = Classifier(null);
using AdamW optimizer = new(model, new() { LearningRate = 3e-3 });
for (int step = 0; step <= 500; step++)
{
    using DeviceScope scope = device.Scope();
    using Tape tape = new(device);
    (DeviceArray x, int[] classes) = Sequences(new Random(step));
    DeviceArray loss = Functions.CrossEntropy(model.Forward(x), device.Indices(classes));
    tape.Backward(loss);
    optimizer.Step();
    Console.Write(step % 50 == 0 ? $"step {step,3}: loss {loss.ToArray()[0]:f4}\n" : "");
}

string path = Path.GetTempFileName();
model.Save(path);
loaded.Load(path);
File.Delete(path);
(double right, double same) = (Accuracy(model), Accuracy(loaded));
Console.WriteLine($"{right:p1} of {Tests * Batch} fresh sequences are right; after saving and loading {same:p1}");
return right >= 0.95 && right == same ? 0 : 1;

// Two mixers, one over the reversed sequence, then norm, mean over time and head.
Sequential Classifier(Random? random) => new(
    new Linear(device, Tokens, Dim, true, random),
    new BothWays(new(device, new() { ModelDim = Dim }, random), new(device, new() { ModelDim = Dim }, random)),
    new RmsNorm(device, Dim),
    new Lambda(device, x => Functions.Mean(x, axis: 1)),
    new Linear(device, Dim, Classes, true, random));

(DeviceArray X, int[] Classes) Sequences(Random random)
{
    int[] ids = [.. Enumerable.Range(0, Batch * Length).Select(_ => random.Next(Tokens))];
    float[] x = [.. ids.SelectMany(id => Enumerable.Range(0, Tokens).Select(token => token == id ? 1f : 0))];
    int[] classes = [.. ids.Chunk(Length).Select(row => (row[0] * Tokens) + row[^1])];
    return (device.Array([Batch, Length, Tokens], x), classes);
}

double Accuracy(Sequential classifier) => Enumerable.Range(0, Tests).Average(test =>
{
    using DeviceScope scope = device.Scope();
    (DeviceArray x, int[] classes) = Sequences(new Random(1000 + test));
    float[][] rows = [.. classifier.Forward(x).ToArray().Chunk(Classes)];
    return rows.Zip(classes).Average(pair => Array.IndexOf(pair.First, pair.First.Max()) == pair.Second ? 1.0 : 0);
});

internal sealed class BothWays : Module, ILayer
{
    private readonly MambaMixer _onward, _back;

    public BothWays(MambaMixer onward, MambaMixer back)
        : base(onward.Device) => (_onward, _back) = (AddModule("onward", onward), AddModule("back", back));

    public DeviceArray Forward(DeviceArray x) =>
        _onward.Forward(x) + Functions.Flip(_back.Forward(Functions.Flip(x, 1)), 1);
}
