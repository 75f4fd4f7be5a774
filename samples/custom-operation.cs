#:project ../src/Mamba/Mamba.csproj
#:property PublishAot=false
using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Optimization;

// A function with a backward pass of your own: the sign of x, whose gradient is taken to be that of x (straight-through
// estimator, Bengio et al., https://arxiv.org/abs/1308.3432). It trains a layer of which only the signs are used.
using CpuDevice device = new();
Random random = new(1);
using Linear layer = new(device, 16, 1, bias: false, random);
using Sgd optimizer = new(layer, new() { LearningRate = 0.05 });
float[] target = Signs(new float[16].Select(_ => (float)random.NextDouble() - 0.5f));
for (int step = 0; step < 30; step++)
{
    using DeviceScope scope = device.Scope();
    using Tape tape = new(device);
    layer.ClearGradients();
    float[] inputs = [.. Enumerable.Range(0, 32 * 16).Select(_ => (float)random.NextDouble() - 0.5f)];
    DeviceArray x = device.Array([32, 16], inputs);
    DeviceArray y = Functions.Linear(x, Sign(layer.Weight.Value));
    DeviceArray difference = Functions.Add(y, Functions.Scale(Functions.Linear(x, device.Array([1, 16], target)), -1));
    DeviceArray loss = Functions.Mean(Functions.Multiply(difference, difference));
    tape.Backward(loss);
    optimizer.Step();
    if (step % 5 == 0)
    {
        Console.WriteLine($"step {step,2}: loss {loss.ToArray()[0]:f4}");
    }
}

int equal = Signs(layer.Weight.Value.ToArray()).Zip(target).Count(pair => pair.First == pair.Second);
Console.WriteLine($"{equal} of 16 signs are learned");

static DeviceArray Sign(DeviceArray x) => Functions.Custom(
    [x],
    () => x.Device.Array(x.Shape, Signs(x.ToArray())),
    gy => [gy]);

static float[] Signs(IEnumerable<float> values) => [.. values.Select(value => value < 0 ? -1f : 1f)];
