using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Operations;

namespace Mamba.Tests.Models;

/// <summary>A model in parts: vectors, the residual stream, logits.</summary>
public sealed class HiddenTests : IDisposable
{
    private static readonly int[] Ids = [3, 1, 4, 1, 5, 9, 2, 6];

    private readonly Device _device = TestDevice.Open(2);
    private readonly MambaLanguageModel _model;

    public HiddenTests() => _model = new(
        _device,
        new()
        {
            VocabularySize = 16,
            Layers =
            [
                new MambaMixerOptions { ModelDim = 8, StateDim = 4 },
                new AttentionMixerOptions { ModelDim = 8, Heads = 2, RotaryDim = 4 },
            ],
        },
        new Random(1));

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    [Fact]
    public void The_parts_give_what_the_whole_gives()
    {
        using DeviceScope scope = _device.Scope();
        Segments segments = Segments.FromLengths([3, 5]);

        _model.Logits(_model.Hidden(_model.Embed(Ids, 2))).ToArray()
            .ShouldHaveTheBitsOf(_model.Forward(Ids, 2).ToArray());
        _model.Logits(_model.Hidden(_model.Embed(Ids), null, segments)).ToArray()
            .ShouldHaveTheBitsOf(_model.Forward(Ids, 1, null, segments).ToArray());
    }

    [Fact]
    public void What_goes_in_stays_as_it_is()
    {
        using DeviceScope scope = _device.Scope();
        DeviceArray embeddings = _model.Embed(Ids);
        float[] before = embeddings.ToArray();

        _model.Hidden(embeddings);

        embeddings.ToArray().Should().Equal(before);
    }

    [Fact]
    public void The_state_moves_on_by_the_vectors_that_were_read()
    {
        using ModelState state = _model.CreateState(), other = _model.CreateState();
        float[] next = new float[16], expected = new float[16];
        using (_device.Scope())
        {
            _model.Hidden(_model.Embed(Ids), state);
            _model.Forward(Ids, 1, other);
        }

        state.Positions.Should().Equal(Ids.Length);
        _model.Step([7], state, next);
        _model.Step([7], other, expected);
        next.ShouldHaveTheBitsOf(expected);
    }

    [Fact]
    public void Gradients_reach_the_vectors()
    {
        using DeviceScope scope = _device.Scope();
        using Tape tape = new(_device);
        DeviceArray prompt = _device.Array([1, 2, 8], Samples.Normal(1, 16));
        tape.Watch(prompt);
        DeviceArray all = Functions.Concat(1, prompt, _model.Embed(Ids));

        DeviceArray loss = Functions.CrossEntropy(_model.Logits(_model.Hidden(all)), _device.Indices(new int[10]));
        tape.Backward(loss);

        float[] gradient = tape.GradientOf(prompt).ToArray();
        const float H = 1e-2f;
        foreach (int i in new[] { 0, 5, 11 })
        {
            double slope = (LossOf(i, H) - LossOf(i, -H)) / (2 * H);
            slope.Should().BeApproximately(gradient[i], 2e-4); // H² and float32 rounding over H
        }

        double LossOf(int i, float change)
        {
            float[] values = Samples.Normal(1, 16);
            values[i] += change;
            using DeviceScope inner = _device.Scope();
            using Tape.Suspension pause = Tape.Suspend(_device);
            DeviceArray changed = Functions.Concat(1, _device.Array([1, 2, 8], values), _model.Embed(Ids));
            return Functions.CrossEntropy(
                _model.Logits(_model.Hidden(changed)), _device.Indices(new int[10])).ToArray()[0];
        }
    }

    [Fact]
    public void Vectors_of_another_shape_are_refused()
    {
        using DeviceScope scope = _device.Scope();
        using ModelState two = _model.CreateState(2);

        FluentActions.Invoking(() => _model.Hidden(_device.Zeros([1, 2, 9])))
            .Should().Throw<ArgumentException>().WithMessage("Expected embeddings of shape [batch, length, 8]*9*");
        FluentActions.Invoking(() => _model.Hidden(default))
            .Should().Throw<ArgumentException>().WithMessage("Expected embeddings*no array*");
        FluentActions.Invoking(() => _model.Hidden(_model.Embed(Ids), two))
            .Should().Throw<ArgumentException>().WithMessage("The state holds 2 sequences; the input has 1*");
        FluentActions.Invoking(() => _model.Embed(Ids, 3))
            .Should().Throw<ArgumentException>().WithMessage("Expected as many tokens in each of 3 rows*");
        two.Positions.Should().Equal(0, 0);
    }
}
