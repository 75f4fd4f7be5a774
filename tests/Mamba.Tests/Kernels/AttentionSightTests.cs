using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Operations;

namespace Mamba.Tests.Kernels;

/// <summary>What a token sees: its past, a window of it, its whole text, or another text.</summary>
public sealed class AttentionSightTests
{
    // A softmax and two dot products in float32.
    private const double Tolerance = 2e-6;
    private const int Heads = 4, Shared = 2, Dim = 5;

    private static readonly Dictionary<string, Sight> Sights = new()
    {
        ["window of one"] = new(2, 9, 9) { Window = 1 },
        ["window"] = new(2, 11, 11) { Window = 4 },
        ["window longer than the text"] = new(1, 5, 5) { Window = int.MaxValue },
        ["window over the past"] = new(2, 6, 6) { Window = 5, Past = 7 },
        ["window past many keys"] = new(1, 3, 3) { Window = 3, Past = 300 },
        ["window within segments"] = new(1, 9, 9) { Window = 2, Segments = Segments.FromLengths([4, 1, 0, 4]) },
        ["both ways"] = new(2, 7, 7) { Causal = false },
        ["both ways within segments"] = new(1, 9, 9) { Causal = false, Segments = Segments.FromLengths([4, 0, 5]) },
        ["across, more keys"] = new(2, 3, 13) { Causal = false },
        ["across, fewer keys"] = new(2, 10, 3) { Causal = false },
        ["across, no keys"] = new(2, 3, 0) { Causal = false },
        ["padded keys"] = new(3, 5, 9) { Causal = false, KeyLengths = [9, 0, 4] },
        ["padded keys of one length"] = new(2, 4, 6) { Causal = false, KeyLengths = [5, 5] },
        ["padded segments"] = new(1, 7, 7)
        {
            Causal = false, Segments = Segments.FromLengths([3, 4]), KeyLengths = [3, 2],
        },
        ["mask of each head"] = new(2, 7, 7) { MaskHeads = Heads },
        ["mask of all heads"] = new(3, 19, 19) { MaskHeads = 1 },
        ["mask in a window"] = new(2, 11, 11) { Window = 4, MaskHeads = Heads },
        ["mask both ways"] = new(2, 18, 18) { Causal = false, MaskHeads = Heads },
        ["mask across"] = new(2, 3, 13) { Causal = false, MaskHeads = 1 },
        ["mask without keys"] = new(2, 3, 0) { Causal = false, MaskHeads = 1 },
        ["mask without queries"] = new(2, 0, 3) { Causal = false, MaskHeads = 1 },
        ["mask of padded keys"] = new(3, 5, 9) { Causal = false, KeyLengths = [9, 0, 4], MaskHeads = Heads },
    };

    public static TheoryData<string> Names => [.. Sights.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Matches_the_reference(string name) => Check(Sights[name]).ShouldMatchTheReference(Tolerance, Tolerance);

    [Theory]
    [MemberData(nameof(Names))]
    public void Reference_gradients_are_differences(string name)
    {
        if (Sights[name].Past < 100) // as many differences as there are keys
        {
            Check(Sights[name]).ShouldHaveTheDifferencesAsReferenceGradients();
        }
    }

    [Fact]
    public void Keys_that_the_mask_hides_count_as_absent()
    {
        using Device device = TestDevice.Open(2);
        DeviceArray q = device.Array([1, 3, 4], Samples.Normal(1, 12));
        DeviceArray k = device.Array([1, 5, 4], Samples.Normal(2, 20));
        AttentionInputs inputs = new()
        {
            Queries = q, Keys = k, Values = k, Heads = 1, KeyValueHeads = 1, Causal = false,
        };
        const float No = float.NegativeInfinity;
        DeviceArray mask = device.Array([1, 3, 5], [0, 0, No, No, No, 0, 0, No, No, No, No, No, No, No, No]);
        using Tape tape = new(device);
        tape.Watch(q);
        tape.Watch(k);
        tape.Watch(mask);

        DeviceArray y = Functions.Attention(inputs with { Mask = mask });
        tape.Backward(Functions.Sum(Functions.Square(y)));

        float[] expected = Functions.Attention(inputs with { KeyLengths = new[] { 2 } }).ToArray();
        y.ToArray()[..8].Should().Equal(expected[..8]);
        y.ToArray()[8..].Should().Equal(0, 0, 0, 0);
        tape.GradientOf(mask).ToArray().Index().Where(pair => float.IsFinite(pair.Item)).Should().HaveCount(15);
        tape.GradientOf(mask).ToArray()[10..].Should().OnlyContain(value => value == 0);
        tape.GradientOf(k).ToArray()[8..].Should().OnlyContain(value => value == 0);
        tape.GradientOf(q).ToArray()[8..].Should().OnlyContain(value => value == 0);
    }

    [Fact]
    public void Thread_count_changes_no_bit() =>
        Check(new(3, 37, 37) { MaskHeads = 1 }).ShouldGiveTheSameBitsOnAnyNumberOfThreads();

    [Fact]
    public void Slices_give_the_bits_of_their_copies() =>
        Check(new(2, 9, 9) { MaskHeads = Heads }).ShouldGiveTheSameBitsOnSlices();

    [Fact]
    public void A_token_without_a_key_gives_zeros()
    {
        using Device device = TestDevice.Open(2);
        DeviceArray q = device.Array([1, 3, 4], Samples.Normal(1, 12)), k = device.Zeros([1, 2, 4]);

        float[] y = Functions.Attention(new()
        {
            Queries = q, Keys = k, Values = k, Heads = 1, KeyValueHeads = 1, Causal = false, KeyLengths = new[] { 0 },
        }).ToArray();

        y.Should().OnlyContain(value => value == 0);
    }

    [Fact]
    public void What_makes_no_sense_is_refused_by_name()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 3, 4]), other = device.Zeros([2, 5, 4]);
        AttentionInputs inputs = new() { Queries = x, Keys = x, Values = x, Heads = 1, KeyValueHeads = 1 };

        Attend(inputs with { Window = -1 })
            .Should().Throw<ArgumentException>().WithMessage("Window must be 0*found -1*");
        Attend(inputs with { Window = 2, Causal = false })
            .Should().Throw<ArgumentException>().WithMessage("Window must be 0*found 2 with Causal False*");
        Attend(inputs with { KeyLengths = new[] { 1, 2 } })
            .Should().Throw<ArgumentException>().WithMessage("KeyLengths are for attention that is not causal*");
        Attend(inputs with { Causal = false, KeyLengths = new[] { 1, 4 } })
            .Should().Throw<ArgumentException>().WithMessage("Sequence 1 has 3 keys; KeyLengths says 4*");
        Attend(inputs with { Causal = false, KeyLengths = new[] { 1 } })
            .Should().Throw<ArgumentException>().WithMessage("Expected 2 KeyLengths*found 1*");
        Attend(inputs with { Causal = false, PastKeys = other, PastValues = other })
            .Should().Throw<ArgumentException>().WithMessage("PastKeys are for causal attention*");
        Attend(inputs with { Keys = other, Values = other })
            .Should().Throw<ArgumentException>().WithMessage("Expected keys of shape [2, 3, 4]; found [2, 5, 4]*");
        Attend(inputs with { Keys = other, Values = other, Causal = false }).Should().NotThrow();
        Attend(inputs with { Mask = device.Zeros([2, 3, 3]) })
            .Should().Throw<ArgumentException>()
            .WithMessage("Expected the mask (its first axis may be 1) of shape [1, 3, 3]; found [2, 3, 3]*");
        Attend(inputs with { Mask = device.Zeros([1, 3, 3]), PastKeys = other, PastValues = other })
            .Should().Throw<ArgumentException>().WithMessage("A Mask is for*found PastKeys.");
        FluentActions.Invoking(
            () => Functions.Attention(
                inputs with { Mask = device.Zeros([1, 3, 3]) }, Segments.FromLengths([2, 1, 2, 1])))
            .Should().Throw<ArgumentException>().WithMessage("A Mask is for*found segments.");

        static Action Attend(AttentionInputs inputs) => () => Functions.Attention(inputs);
    }

    [Fact]
    public void A_mixer_with_a_window_gives_in_pieces_and_steps_what_the_whole_gives()
    {
        using Device device = TestDevice.Open(2);
        using AttentionMixer mixer = new(
            device, new() { ModelDim = 12, Heads = 2, RotaryDim = 4, Window = 3 }, new Random(1));
        using LayerState state = mixer.CreateState(1);
        DeviceArray x = device.Array([1, 9, 12], Samples.Normal(1, 9 * 12));
        float[] whole = mixer.Forward(x).ToArray(), changed = mixer.Forward(
            device.Array([1, 9, 12], [.. new float[12], .. Samples.Normal(1, 9 * 12)[12..]])).ToArray();
        List<float> pieces = [.. mixer.Forward(Functions.Slice(x, 1, 0, 5), state).ToArray()];
        for (int t = 5; t < 9; t++)
        {
            pieces.AddRange(mixer.Step(Functions.Slice(x, 1, t, 1), state).ToArray());
        }

        pieces.ToArray().ShouldBeClose(whole, 3e-6);
        changed[(3 * 12)..].ShouldHaveTheBitsOf(whole[(3 * 12)..]); // the first token is out of sight
        changed[..(3 * 12)].Should().NotEqual(whole[..(3 * 12)]);
    }

    [Fact]
    public void A_mixer_that_looks_both_ways_sees_what_follows_and_has_no_state()
    {
        using Device device = TestDevice.Open(2);
        AttentionMixerOptions options = new() { ModelDim = 12, Heads = 2, RotaryDim = 4, Causal = false };
        using AttentionMixer mixer = new(device, options, new Random(1));
        using AttentionMixer causal = new(device, options with { Causal = true }, new Random(1));
        using LayerState state = causal.CreateState(1);
        float[] x = Samples.Normal(1, 5 * 12);
        float[] before = mixer.Forward(device.Array([1, 5, 12], x)).ToArray();
        x[^1] += 1;

        mixer.Forward(device.Array([1, 5, 12], x)).ToArray()[0].Should().NotBe(before[0]);
        mixer.Invoking(m => m.CreateState(1)).Should().Throw<NotSupportedException>().WithMessage("*not causal*");
        mixer.Invoking(m => m.Forward(device.Zeros([1, 5, 12]), state))
            .Should().Throw<NotSupportedException>().WithMessage("*not causal*no state*");
        mixer.Invoking(m => m.Step(device.Zeros([1, 1, 12]), state))
            .Should().Throw<NotSupportedException>().WithMessage("*not causal*no step*");
        FluentActions.Invoking(() => (options with { ConvWidth = 2 }).Validate())
            .Should().Throw<ArgumentException>().WithMessage("ConvWidth*Causal*2*");
        FluentActions.Invoking(() => (options with { Window = 2 }).Validate())
            .Should().Throw<ArgumentException>().WithMessage("Window*Causal*2*");
        using MambaLanguageModel model = new(device, new() { VocabularySize = 9, Layers = [options] }, new Random(1));
        model.Invoking(m => m.CreateState()).Should().Throw<NotSupportedException>().WithMessage("*not causal*");
    }

    private static FunctionCheck Check(Sight sight)
    {
        (Shape, float[]) Normal(int seed, int batch, int length, int width) =>
            ([batch, length, width], Samples.Normal(seed, batch * length * width));

        int sequences = sight.Segments?.Count ?? sight.Batch;
        return new(
            inputs => Functions.Attention(
                new()
                {
                    Queries = inputs[0],
                    Keys = inputs[1],
                    Values = inputs[2],
                    PastKeys = sight.Past > 0 ? inputs[3] : default,
                    PastValues = sight.Past > 0 ? inputs[4] : default,
                    Causal = sight.Causal,
                    Window = sight.Window,
                    KeyLengths = sight.KeyLengths,
                    Heads = Heads,
                    KeyValueHeads = Shared,
                    Mask = sight.MaskHeads > 0 ? inputs[3] : default,
                },
                sight.Segments),
            [
                Normal(1, sight.Batch, sight.Length, Heads * Dim),
                Normal(2, sight.Batch, sight.Keys, Shared * Dim),
                Normal(3, sight.Batch, sight.Keys, Shared * Dim),
                .. sight.Past > 0
                    ? new[]
                    {
                        Normal(4, sequences, sight.Past, Shared * Dim), Normal(5, sequences, sight.Past, Shared * Dim),
                    }
                    : [],
                .. sight.MaskHeads > 0
                    ? new[] { Normal(6, sight.MaskHeads, sight.Length, sight.Keys) }
                    : [],
            ]);
    }

    private sealed record Sight(int Batch, int Length, int Keys)
    {
        public bool Causal { get; init; } = true;

        public int Window { get; init; }

        public int Past { get; init; }

        public int[] KeyLengths { get; init; } = [];

        public int MaskHeads { get; init; }

        public Segments? Segments { get; init; }
    }
}
