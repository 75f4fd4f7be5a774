using Mamba.Consumer;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Training;

// Layers, states and an optimiser that were written outside the library keep its contracts.
const int Dim = 8, Batch = 2, Length = 5;
using CpuDevice device = new();
int failures = 0;

using (RunningMean mean = new(device, new() { ModelDim = Dim }, new Random(1)))
{
    CheckMixer("a running mean", mean);
}

using (Twofold twofold = new(device, Dim, new Random(2)))
{
    CheckMixer("a mixer of two", twofold);
}

using (ResidualBlock block = new(new BothWays(device, Dim, new Random(3)), Dim))
{
    using DeviceScope scope = device.Scope();
    Check("a bidirectional mixer in a block keeps the shape", block.Forward(Inputs()).Shape == Inputs().Shape);
    Refused<NotSupportedException>("its state", "BothWays looks both ways", () => block.Mixer.CreateState(1));
}

LanguageModelConfig config = new()
{
    VocabularySize = 11,
    Layers =
    [
        new RunningMeanOptions { ModelDim = Dim },
        new TwofoldOptions { ModelDim = Dim },
        new Mamba2MixerOptions { ModelDim = Dim, HeadDim = 4, StateDim = 4 },
    ],
};
CheckModel();
CheckTraining();
Console.WriteLine(failures == 0 ? "everything is as it should be" : $"{failures} checks failed");
return failures == 0 ? 0 : 1;

DeviceArray Inputs() => device.Array([Batch, Length, Dim], Wave(Batch * Length * Dim));

void CheckMixer(string name, SequenceMixer mixer)
{
    using DeviceScope scope = device.Scope();
    DeviceArray x = Inputs();
    float[] whole = mixer.Forward(x).ToArray();
    using LayerState state = mixer.CreateState(Batch);
    List<float[]> steps = [];
    LayerState? middle = null;
    for (int t = 0; t < Length; t++)
    {
        if (t == 2)
        {
            middle = state.Clone();
        }

        steps.Add(mixer.Step(Token(t), state).ToArray());
    }

    Check($"{name}: steps give what the sequence gives", Worst(whole, steps, 0) < 1e-5);
    using LayerState again = middle!;
    float[] rest = mixer.Forward(Mamba.Autograd.Functions.Gather(x, device.Indices([2, 3, 4])), again).ToArray();
    Check($"{name}: a clone goes on from where it was made", Worst(rest, steps[2..], 0) < 1e-5);
    Check($"{name}: both end in one state", again.Arrays.Zip(state.Arrays).All(
        pair => Close(pair.First.ToArray(), pair.Second.ToArray())));
    again.CopySlot(0, again, 1);
    Check($"{name}: a slot is copied", again.Arrays.All(array => Halves(array.ToArray())));
    using LayerState small = mixer.CreateState(1);
    Refused<ArgumentException>($"{name}, a state of another batch", "holds 1 sequences", () => mixer.Forward(x, small));

    DeviceArray Token(int t) => Mamba.Autograd.Functions.Gather(x, device.Indices([t]));

    static bool Halves(float[] values) =>
        values.AsSpan(0, values.Length / 2).SequenceEqual(values.AsSpan(values.Length / 2));
}

void CheckModel()
{
    using MambaLanguageModel model = new(device, config, new Random(4));
    float[] logits = new float[model.Config.PaddedVocabularySize], same = new float[logits.Length];
    using ModelState state = model.CreateState(), loaded = model.CreateState();
    model.Prefill([1, 2, 3], state, logits);
    using MemoryStream file = new();
    state.Save(file);
    file.Position = 0;
    loaded.Load(file);
    model.Step([4], state, logits);
    model.Step([4], loaded, same);
    Check("a model's state is saved and loaded", logits.AsSpan().SequenceEqual(same));

    LanguageModelConfig other = config with { Layers = [config.Layers[0], .. config.Layers.Skip(1).Reverse()] };
    using MambaLanguageModel foreign = new(device, other, new Random(4));
    using ModelState foreignState = foreign.CreateState();
    file.Position = 0;
    Refused<InvalidDataException>(
        "a state of another model", "running mean (width 8, decay 0.75)", () => foreignState.Load(file));
    string nowhere = Path.Combine(Path.GetTempPath(), "no-such-model");
    Refused<NotSupportedException>("a published format", "RunningMeanOptions", () => model.Save(nowhere));
}

void CheckTraining()
{
    string folder = Path.Combine(Path.GetTempPath(), $"mamba-consumer-{Environment.ProcessId}");
    try
    {
        float[] straight = Train(8, null, resume: false), first = Train(4, folder, resume: false);
        Check("training changes weights", !straight.AsSpan().SequenceEqual(first));
        Check("a resumed run has the same bits", Train(8, folder, resume: true).AsSpan().SequenceEqual(straight));
    }
    finally
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}

float[] Train(int steps, string? folder, bool resume)
{
    using MambaLanguageModel model = new(device, config, new Random(5));
    using SignDescent optimizer = new(model, new() { LearningRate = 1e-2 });
    int[] text = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    using Trainer trainer = new(
        model, optimizer, new() { Steps = steps, Folder = folder }, _ => model.Loss(text));
    double before = Loss();
    if (resume)
    {
        trainer.Resume();
    }

    trainer.Run();
    Check($"the loss falls in {steps} steps", Loss() < before);
    return [.. model.Parameters.SelectMany(named => named.Parameter.Value.ToArray())];

    double Loss()
    {
        using DeviceScope scope = device.Scope();
        return model.Loss(text).ToArray()[0];
    }
}

static float[] Wave(int count) => [.. Enumerable.Range(0, count).Select(i => MathF.Sin(i * 1.7f))];

static double Worst(float[] whole, List<float[]> steps, int from)
{
    int length = steps.Count;
    double worst = 0;
    for (int i = 0; i < whole.Length; i++)
    {
        (int row, int channel) = (i / Dim, i % Dim);
        worst = Math.Max(
            worst, Math.Abs(whole[i] - steps[from + (row % length)][((row / length) * Dim) + channel]));
    }

    return worst;
}

static bool Close(float[] a, float[] b) => a.Zip(b).All(pair => Math.Abs(pair.First - pair.Second) < 1e-5);

void Check(string what, bool holds)
{
    Console.WriteLine($"{(holds ? "passed" : "FAILED")}: {what}");
    failures += holds ? 0 : 1;
}

void Refused<TException>(string what, string message, Action action)
    where TException : Exception
{
    try
    {
        action();
        Check($"{what} is refused", false);
    }
    catch (TException exception)
    {
        Check($"{what} is refused by name", exception.Message.Contains(message, StringComparison.Ordinal));
    }
}
