using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Tests.Layers;

namespace Mamba.Tests.Models;

/// <summary>Files of states that lie are refused with what was found, in memory in proportion to the file.</summary>
public sealed class StateFileTests : IDisposable
{
    private const int KindLengthAt = 18, KindAt = 26;

    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 16,
        Layers = [new MambaMixerOptions { ModelDim = 6 }, new AttentionMixerOptions { ModelDim = 6, Heads = 2 }],
    };

    private readonly Device _device = TestDevice.OpenBare();
    private readonly MambaLanguageModel _model;

    public StateFileTests() => _model = new(_device, Config, new Random(1));

    [Fact]
    public void Lying_counts_are_refused_before_memory_is_taken()
    {
        byte[] good = Saved();
        int batchAt =
            KindAt + (int)BinaryPrimitives.ReadInt64LittleEndian(good.AsSpan(KindLengthAt)), positionAt = batchAt + 8;
        int lengthAt = positionAt + 8, attentionAt = good.Length - 32 - (2 * 3 * 6 * 4) - 8;
        (int At, long Value, string Message)[] lies =
        [
            (10, 1, "Expected a saved state of format 2 or 3; found format 1*"), (10, long.MaxValue, "*found format*"),
            (KindLengthAt, -1, "*names its model in -1 bytes*"), (KindLengthAt, long.MaxValue, "*names its model in*"),
            (KindLengthAt, 1 << 20, "*cut off*"), (batchAt, 2, "The saved state holds 2 texts; expected 1*"),
            (positionAt, -3, "*claims -3 tokens of a text*"), (
                lengthAt, 7, "*claims 7 tokens in layer 0; expected 0 to 0*"),
            (attentionAt, -1, "*claims -1 tokens in layer 1*"), (
                attentionAt, 5_000_000, "*cut off: expected 240000000 more bytes*"),
            (attentionAt, int.MaxValue, "*cut off*"), (
                attentionAt, long.MaxValue, "*claims 9223372036854775807 tokens in layer 1*"),
            (attentionAt, 2, "*damaged*"),
        ];
        using ModelState state = _model.CreateState();
        foreach ((int at, long value, string message) in lies)
        {
            byte[] lying = [.. good];
            BinaryPrimitives.WriteInt64LittleEndian(lying.AsSpan(at), value);
            foreach (Stream stream in (Stream[])[new MemoryStream(lying), new Unseekable(lying)])
            {
                long device = _device.AllocatedBytes, heap = GC.GetAllocatedBytesForCurrentThread();

                state.Invoking(s => s.Load(stream))
                    .Should().Throw<InvalidDataException>().WithMessage(stream.CanSeek ? message : "*");

                (GC.GetAllocatedBytesForCurrentThread() - heap).Should().BeLessThan(8 << 20);
                _device.AllocatedBytes.Should().Be(device);
            }
        }

        using MemoryStream whole = new(good);
        state.Load(whole);
        state.Positions.Should().Equal(3);
    }

    [Fact]
    public void Texts_of_different_lengths_are_saved_with_their_lengths()
    {
        using ModelState state = _model.CreateState(3), loaded = _model.CreateState(3), alone = _model.CreateState();
        _model.Prefill([1, 2, 3, 4, 5], alone, new float[16]);
        state.CopySlot(2, alone, 0);
        _model.Step([1, 2, 3], state, new float[48]);
        using MemoryStream stream = new();

        state.Save(stream);

        BinaryPrimitives.ReadInt64LittleEndian(stream.ToArray().AsSpan(10)).Should().Be(3);
        stream.Position = 0;
        loaded.Load(stream);
        loaded.Positions.Should().Equal(1, 1, 6);
        Enumerable.Range(0, 3).Select(loaded.Layers[1].LengthOf).Should().Equal(1, 1, 6);
        StateValues.Of(loaded).Should().Equal(StateValues.Of(state));
        float[] next = new float[48], expected = new float[48];
        _model.Step([4, 5, 6], loaded, next);
        _model.Step([4, 5, 6], state, expected);
        next.ShouldHaveTheBitsOf(expected);
    }

    [Fact]
    public void Texts_of_one_length_are_saved_in_the_format_that_has_one()
    {
        using ModelState state = _model.CreateState(2);
        _model.Prefill([1, 2, 3, 4, 5, 6], state, new float[32]);
        _model.Step([1, 2], state, new float[32]); // there is room for more now, which is not saved
        using MemoryStream stream = new();

        state.Save(stream);

        BinaryPrimitives.ReadInt64LittleEndian(stream.ToArray().AsSpan(10)).Should().Be(2);
        int mamba = 8 + (2 * (3 + 16) * 12 * 4), attention = 8 + (2 * 2 * 4 * 6 * 4);
        stream.Length.Should().Be(
            KindAt + BinaryPrimitives.ReadInt64LittleEndian(stream.ToArray().AsSpan(KindLengthAt)) + 8 + 16 + mamba
            + attention + 32);
    }

    [Fact]
    public void A_state_that_claims_as_many_tokens_as_can_be_counted_can_be_read_on_and_saved()
    {
        byte[] lying = Saved();
        int positionAt = KindAt + (int)BinaryPrimitives.ReadInt64LittleEndian(lying.AsSpan(KindLengthAt)) + 8;
        BinaryPrimitives.WriteInt64LittleEndian(lying.AsSpan(positionAt), long.MaxValue - 1);
        SHA256.HashData(lying.AsSpan(..^32)).CopyTo(lying.AsSpan(^32..));
        using ModelState state = _model.CreateState(), again = _model.CreateState();
        using MemoryStream stream = new(lying), saved = new();

        state.Load(stream);
        _model.Prefill([1, 2], state, new float[16]);
        _model.Step([1], state, new float[16]);
        state.Save(saved);
        saved.Position = 0;
        again.Load(saved);

        again.Positions.Should().Equal(long.MaxValue);
    }

    [Fact]
    public void Every_cut_and_every_flipped_bit_is_noticed()
    {
        byte[] good = Saved();
        using ModelState state = _model.CreateState();
        for (int length = 0; length < good.Length; length += 7)
        {
            using MemoryStream cut = new(good[..length]);
            state.Invoking(s => s.Load(cut)).Should().Throw<InvalidDataException>();
        }

        for (int at = 0; at < good.Length; at += 3)
        {
            byte[] flipped = [.. good];
            flipped[at] ^= (byte)(1 << (at % 8));
            using MemoryStream stream = new(flipped);
            state.Invoking(s => s.Load(stream)).Should().Throw<InvalidDataException>();
        }

        state.Positions.Should().Equal(0);
    }

    [Fact]
    public void A_state_of_another_model_is_told_in_words()
    {
        using MambaLanguageModel other = new(
            _device,
            Config with { Layers = [new MambaMixerOptions { ModelDim = 6, StateDim = 8 }, Config.Layers[1]] },
            new Random(1));
        using ModelState state = other.CreateState();
        using MemoryStream stream = new(Saved());

        state.Invoking(s => s.Load(stream)).Should().Throw<InvalidDataException>().WithMessage(
            "The state was saved of another model: expected vocabulary 16, width 6, 1 x mamba1 (channels 12, states " +
            "8, window 3), *found vocabulary 16, width 6, 1 x mamba1 (channels 12, states 16, window 3), *");
    }

    [Fact]
    public void Options_that_do_not_concern_states_leave_them_as_they_are()
    {
        LanguageModelConfig trained = Config with
        {
            Layers =
            [
                new MambaMixerOptions { ModelDim = 6, TimeStepMin = 0.002, LearnableInitialState = true },
                Config.Layers[1],
            ],
        };
        using MambaLanguageModel other = new(_device, trained, new Random(1));
        using ModelState state = other.CreateState();
        using MemoryStream stream = new(Saved());

        state.Load(stream);

        state.Positions.Should().Equal(3);
    }

    [Fact]
    public void A_saved_state_is_of_every_culture()
    {
        byte[] here = Saved(), there = Cultures.WithCommas(Saved);

        there.Should().Equal(here);
        Encoding.ASCII.GetString(here, 0, 10).Should().Be("MAMBASTATE");
        SHA256.HashData(here.AsSpan(0, here.Length - 32)).Should().Equal(here[^32..]);
    }

    public void Dispose()
    {
        _model.Dispose();
        _device.Dispose();
    }

    private byte[] Saved()
    {
        using ModelState state = _model.CreateState();
        _model.Prefill([1, 2, 3], state, new float[16]);
        using MemoryStream stream = new();
        state.Save(stream);
        return stream.ToArray();
    }

    private sealed class Unseekable(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
