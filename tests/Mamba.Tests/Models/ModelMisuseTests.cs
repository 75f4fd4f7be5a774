using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Tests.Layers;
using Mamba.Models.Data;
using Mamba.Models.Generation;
using Mamba.Operations;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Models;

/// <summary>What a model is asked for is right, or refused by name, and the state is as it was.</summary>
public sealed class ModelMisuseTests
{
    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 16,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 6 },
            new Mamba2MixerOptions { ModelDim = 6, HeadDim = 3, StateDim = 5 },
            new AttentionMixerOptions { ModelDim = 6, Heads = 2 },
        ],
    };

    [Fact]
    public async Task What_has_no_gradients_sets_the_tape_aside()
    {
        using Device device = TestDevice.OpenBare();
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using TemporaryFolder folder = new();
        using TokenCorpus corpus = TokenCorpus.Open(
            folder.Write("text.txt", [.. Enumerable.Range(0, 3000).Select(i => (byte)(i % 16))]));
        List<int> free = [];
        await foreach (int token in model.GenerateAsync(new int[] { 1, 2 }, Greedy(8)))
        {
            free.Add(token);
        }

        double loss = Evaluation.MeanLoss(model, corpus.Training, cancellation: TestContext.Current.CancellationToken);
        UnderATape();

        void UnderATape()
        {
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            DeviceArray before = model.Loss([1, 2, 3, 4]);
            Drain(model.GenerateAsync(new int[] { 1, 2 }, Greedy(8))).Should().Equal(free);
            Evaluation.MeanLoss(model, corpus.Training).Should().Be(loss);
            using ModelState state = model.CreateState();
            float[] logits = new float[16];
            model.Prefill([1, 2], state, logits);
            model.Step([3], state, logits);
            state.Layers[0].Arrays[0].ToArray().Should().NotBeEmpty();
            tape.Backward(before);
            model.Parameters.Should().Contain(named => named.Parameter.Gradient.Exists);
        }
    }

    [Fact]
    public void Too_little_room_and_wrong_tokens_are_refused_before_the_state_moves()
    {
        using Device device = TestDevice.OpenBare();
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using MambaLanguageModel other = new(device, Config with { VocabularySize = 20 }, new Random(1));
        using ModelState state = model.CreateState(), two = model.CreateState(2), foreign = other.CreateState();
        float[] logits = new float[32], small = new float[3];
        model.Prefill([1, 2, 3], state, logits);
        byte[] before = Saved(state);
        (Action Call, string Message)[] calls =
        [
            (() => model.Step([1], state, small),
                "Expected room for 16 logits, 16 for each of 1 texts; found room for 3*"),
            (() => model.Prefill([1, 2], state, small), "Expected room for 16 logits*"),
            (() => model.Step([1, 2], state, logits),
                "A step reads one token of each of the 1 texts of the state; found 2*"),
            (() => model.Step([16], state, logits), "Token id 16 lies outside the vocabulary of 16*"),
            (() => model.Step([-1], state, logits), "Token id -1 lies outside the vocabulary of 16*"),
            (() => model.Prefill([1, 16], state, logits), "Token id 16 lies outside the vocabulary of 16*"),
            (() => model.Prefill([1, 2, 3], two, logits),
                "Expected as many tokens in each of 2 rows, at least 1; found 3 tokens*"),
            (() => model.Prefill([], state, logits),
                "Expected as many tokens in each of 1 rows, at least 1; found 0 tokens*"),
            (() => model.Step([1], foreign, logits),
                "The state belongs to another model: expected vocabulary 16*found vocabulary 20*"),
            (() => model.GenerateAsync(Array.Empty<int>()), "Expected a prompt of at least one token; found none*"),
            (() => model.GenerateAsync(new[] { 1 }, state: two), "Expected a state of one text; found one of 2*"),
            (() => InScope(() => model.Loss([5], 2)),
                "Expected as many tokens in each of 2 rows, at least 1; found 1 tokens*"),
            (() => InScope(() => model.Loss([5, 6, 7, 8, 9], 2)),
                "Expected as many tokens in each of 2 rows*found 5 tokens*"),
            (() => InScope(() => model.Loss([5, 6, 7], 4)),
                "Expected as many tokens in each of 4 rows*found 3 tokens*"),
            (() => InScope(() => model.Loss([1, 2], [2], 1, state)), "Expected 2 targets, one a token; found 1*"),
            (() => InScope(() => model.Loss([1, 2], [2, 99], 1, state)),
                "Target 99 of row 1 lies outside the 16 classes*"),
            (() => InScope(() => model.Forward([1, 77], 1, state)), "Token id 77 lies outside the vocabulary of 16*"),
        ];

        foreach ((Action call, string message) in calls)
        {
            call.Should().Throw<ArgumentException>().WithMessage(message);
            Saved(state).Should().Equal(before);
        }

        void InScope(Func<DeviceArray> compute)
        {
            using DeviceScope scope = device.Scope();
            compute();
        }
    }

    [Fact]
    public void A_prompt_that_is_cancelled_ends_between_two_layers_and_leaves_the_state()
    {
        using Device device = TestDevice.OpenBare();
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using ModelState state = model.CreateState();
        float[] logits = new float[16];
        model.Prefill([1, 2, 3], state, logits);
        byte[] before = Saved(state);
        using CancellationTokenSource cancelled = new();
        cancelled.Cancel();

        Action prefill = () => model.Prefill(new int[500], state, logits, cancelled.Token);

        prefill.Should().Throw<OperationCanceledException>();
        Saved(state).Should().Equal(before);
    }

    [Fact]
    public void Copies_that_are_refused_change_nothing()
    {
        using Device device = TestDevice.OpenBare();
        using MambaLanguageModel model = new(device, Config, new Random(1));
        using ModelState four = model.CreateState(), two = model.CreateState(), pair = model.CreateState(2);
        float[] logits = new float[32];
        model.Prefill([1, 2, 3, 4], four, logits);
        model.Prefill([9, 8], two, logits);
        byte[] before = Saved(two);
        Action[] copies =
        [
            () => two.CopyFrom(pair), () => two.CopySlot(1, two, 0), () => two.CopySlot(0, two, 1),
        ];

        copies.Should().AllSatisfy(copy => copy.Should().Throw<ArgumentException>());
        Saved(two).Should().Equal(before);
        two.CopyFrom(four);
        Saved(two).Should().Equal(Saved(four));
    }

    [Fact]
    public void Attention_states_of_other_batches_and_kinds_destroy_nothing()
    {
        using Device device = TestDevice.Open();
        using AttentionMixer mixer = new(device, new() { ModelDim = 6, Heads = 2 }, new Random(1));
        using AttentionMixer wide = new(device, new() { ModelDim = 12, Heads = 2 }, new Random(1));
        using MambaMixer other = new(device, new() { ModelDim = 6 }, new Random(1));
        using LayerState state = mixer.CreateState(1), two = mixer.CreateState(2), foreign = other.CreateState(1);
        using LayerState wider = wide.CreateState(1);
        mixer.Forward(device.Array([1, 3, 6], Samples.Normal(1, 18)), state);
        mixer.Forward(device.Array([2, 5, 6], Samples.Normal(1, 60)), two);
        float[] before = StateValues.Of(state);

        foreach (LayerState wrong in new[] { two, foreign, wider })
        {
            state.Invoking(s => s.CopyFrom(wrong))
                .Should().Throw<ArgumentException>().WithMessage("The states differ*");
            StateValues.Of(state).ShouldHaveTheBitsOf(before);
        }
    }

    [Fact]
    public void An_attention_state_that_a_tape_holds_can_be_cloned()
    {
        using Device device = TestDevice.Open();
        using AttentionMixer mixer = new(device, new() { ModelDim = 6, Heads = 2 }, new Random(1));
        using LayerState state = mixer.CreateState(1);
        using Tape tape = new(device);
        mixer.Forward(device.Array([1, 3, 6], Samples.Normal(1, 18)), state);

        using LayerState clone = state.Clone();

        clone.Arrays[0].ToArray().ShouldHaveTheBitsOf(state.Arrays[0].ToArray());
        state.Invoking(s => s.CopySlot(0, clone, 0))
            .Should().Throw<InvalidOperationException>().WithMessage("*Detach*");
        state.Detach();
        clone.Detach();
        state.CopySlot(0, clone, 0);
    }

    [Fact]
    public void A_state_whose_tape_has_ended_says_what_was_missing()
    {
        using Device device = TestDevice.OpenBare();
        using MambaMixer mixer = new(device, new() { ModelDim = 6 }, new Random(1));
        using LayerState state = mixer.CreateState(1), fresh = mixer.CreateState(1);
        using (device.Scope())
        {
            using Tape tape = new(device);
            mixer.Forward(device.Array([1, 3, 6], Samples.Normal(1, 18)), state);
        }

        using DeviceScope scope = device.Scope();
        Action[] uses =
            [() => state.Detach(), () => state.Clone(), () => mixer.Forward(device.Zeros([1, 3, 6]), state)];
        uses.Should().AllSatisfy(use => use.Should().Throw<ObjectDisposedException>()
            .WithMessage("*must be detached before the scope ends*"));
        state.CopyFrom(fresh);
        mixer.Forward(device.Zeros([1, 3, 6]), state);
    }

    [Fact]
    public void Positions_are_counted_for_every_text()
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = new(device, Config with { Layers = [Config.Layers[0]] }, new Random(1));
        using ModelState a = model.CreateState(), b = model.CreateState(3);
        float[] logits = new float[48];
        model.Prefill([1, 2, 3, 4], a, logits);
        model.Step([1, 2, 3], b, logits);
        b.CopySlot(1, a, 0);
        b.Positions.Should().Equal(1, 4, 1);

        model.Forward([1, 2, 3, 4, 5, 6], 1, b, Segments.FromLengths([1, 0, 5]));

        b.Positions.Should().Equal(2, 4, 6);
        using MemoryStream stream = new(Saved(b));
        using ModelState loaded = model.CreateState(3);
        loaded.Load(stream);
        loaded.Positions.Should().Equal(2, 4, 6);
        using ModelState clone = b.Clone();
        clone.Positions.Should().Equal(2, 4, 6);
    }

    private static GenerationOptions Greedy(int tokens) =>
        new() { MaxTokens = tokens, Sampling = SamplingOptions.Greedy };

    private static List<int> Drain(IAsyncEnumerable<int> tokens)
    {
        List<int> all = [];
        IAsyncEnumerator<int> enumerator = tokens.GetAsyncEnumerator();
        while (enumerator.MoveNextAsync().AsTask().GetAwaiter().GetResult())
        {
            all.Add(enumerator.Current);
        }

        enumerator.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return all;
    }

    private static byte[] Saved(ModelState state)
    {
        using MemoryStream stream = new();
        state.Save(stream);
        return stream.ToArray();
    }
}
