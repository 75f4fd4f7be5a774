using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Models;

public sealed class ModelStateTests : IDisposable
{
    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 16,
        Layers =
        [
            new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 4 },
            new AttentionMixerOptions { ModelDim = 8, Heads = 2, HeadDim = 4 },
            new MambaMixerOptions { ModelDim = 8, StateDim = 4 },
        ],
    };

    private readonly Device _device = TestDevice.Open();
    private readonly MambaLanguageModel _model;
    private readonly float[] _logits = new float[16];

    public ModelStateTests() => _model = new(_device, Config, new Random(1));

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void A_saved_state_goes_on_as_the_original_does()
    {
        using ModelState state = Read([1, 2, 3]);
        using MemoryStream stream = new();
        state.Save(stream);

        stream.Position = 0;
        using ModelState loaded = _model.CreateState();
        loaded.Load(stream);

        loaded.Positions.Should().OnlyContain(position => position == 3);
        Next(loaded).ShouldHaveTheBitsOf(Next(state));
    }

    [Fact]
    public void A_clone_goes_its_own_way()
    {
        using ModelState state = Read([1, 2, 3]);
        using ModelState fork = state.Clone();
        float[] expected = Next(fork.Clone());

        _model.Step([9], state, _logits);

        Next(fork).ShouldHaveTheBitsOf(expected);
    }

    [Fact]
    public void A_slot_of_a_batch_takes_over_a_conversation()
    {
        using ModelState alone = Read([1, 2, 3]), batch = _model.CreateState(2);
        float[] both = new float[32];
        _model.Prefill([7, 7, 7, 8, 8, 8], batch, both);

        batch.CopySlot(1, alone, 0);

        _model.Step([4, 4], batch, both);
        both[16..].ShouldHaveTheBitsOf(Next(alone));
    }

    [Fact]
    public void Every_damaged_byte_is_noticed_and_nothing_is_loaded()
    {
        using ModelState state = Read([1, 2, 3]);
        using MemoryStream stream = new();
        state.Save(stream);
        byte[] bytes = stream.ToArray();
        using ModelState target = Read([5]);
        float[] before = Next(target.Clone());

        foreach (int i in Enumerable.Range(0, bytes.Length).Where(i => i < 120 || i % 97 == 0))
        {
            bytes[i] ^= 0x10;
            Action load = () => target.Load(new MemoryStream(bytes));
            load.Should().Throw<InvalidDataException>("byte {0} is damaged", i);
            bytes[i] ^= 0x10;
        }

        Next(target).ShouldHaveTheBitsOf(before);
    }

    [Fact]
    public void A_state_that_is_cut_off_is_refused()
    {
        using ModelState state = Read([1, 2, 3]);
        using MemoryStream stream = new();
        state.Save(stream);
        byte[] bytes = stream.ToArray();

        foreach (int length in new[] { 0, 5, 60, bytes.Length / 2, bytes.Length - 1 })
        {
            Action load = () => state.Load(new MemoryStream(bytes, 0, length));
            load.Should().Throw<InvalidDataException>().WithMessage("*cut off*");
        }
    }

    [Fact]
    public void A_state_of_another_model_is_refused()
    {
        using MambaLanguageModel other = new(_device, Config with { VocabularySize = 40 }, new Random(1));
        using ModelState state = Read([1]);
        using MemoryStream stream = new();
        state.Save(stream);
        stream.Position = 0;
        using ModelState foreign = other.CreateState();

        Action load = () => foreign.Load(stream), step = () => other.Step([1], state, _logits);

        load.Should().Throw<InvalidDataException>()
            .WithMessage("*saved of another model: expected vocabulary 40*found vocabulary*");
        step.Should().Throw<ArgumentException>()
            .WithMessage("*belongs to another model: expected vocabulary 40*found vocabulary*");
    }

    [Fact]
    public void A_recorded_step_is_that_of_the_model_that_steps()
    {
        using ReferenceDevice device = new() { Records = true };
        LanguageModelConfig fixedSize = Config with { Layers = [Config.Layers[0], Config.Layers[2]] };
        using MambaLanguageModel a = new(device, fixedSize, new Random(1)), b = new(device, fixedSize, new Random(2));
        using ModelState state = a.CreateState(), other = b.CreateState();
        float[] logits = new float[_logits.Length], expected = new float[_logits.Length];
        for (int i = 0; i < 4; i++)
        {
            a.Step([i], state, logits);
        }

        other.CopyFrom(state);
        b.Step([4], other, expected);
        b.Step([4], state, logits);

        logits.ShouldHaveTheBitsOf(expected);
        for (int i = 0; i < 3; i++)
        {
            b.Step([i], other, expected);
            b.Step([i], state, logits);
        }

        logits.ShouldHaveTheBitsOf(expected);
        a.Dispose();
        b.Step([5], state, logits);
        b.Step([5], other, expected);
        logits.ShouldHaveTheBitsOf(expected);
    }

    private ModelState Read(int[] ids)
    {
        ModelState state = _model.CreateState();
        _model.Prefill(ids, state, _logits);
        return state;
    }

    private float[] Next(ModelState state)
    {
        _model.Step([4], state, _logits);
        return [.. _logits];
    }
}
