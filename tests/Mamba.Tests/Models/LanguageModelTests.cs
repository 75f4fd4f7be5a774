using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Models;

public sealed class LanguageModelTests
{
    // The reference data's bounds for whole models.
    private const double Tolerance = 5e-6;
    private const double GradientTolerance = 2e-5;

    private static readonly LanguageModelConfig Mixed = new()
    {
        VocabularySize = 29,
        VocabularyMultiple = 8,
        MlpDim = 18,
        TieEmbeddings = false,
        Layers =
        [
            new Mamba2MixerOptions { ModelDim = 12, StateDim = 8, HeadDim = 6 },
            new AttentionMixerOptions { ModelDim = 12, Heads = 2, HeadDim = 6, RotaryDim = 6 },
            new MambaMixerOptions { ModelDim = 12, StateDim = 4 },
        ],
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static readonly int[] Ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7];

    [Theory]
    [InlineData(768, 24, 129_135_360, 128_989_632)]
    [InlineData(1024, 48, 371_516_416, 368_346_624)]
    [InlineData(1536, 48, 793_204_224, 780_161_280)]
    [InlineData(2048, 48, 1_372_178_432, 1_343_757_312)]
    [InlineData(2560, 64, 2_768_345_600, 2_702_599_680)]
    public void Published_sizes_have_the_published_number_of_parameters(int dim, int layers, long mamba1, long mamba2)
    {
        // Weights that nobody sets take no memory.
        using Device tested = TestDevice.Open();
        using MambaLanguageModel first = new(tested, LanguageModelConfig.Mamba1(dim, layers, 50277), null);
        using MambaLanguageModel second = new(tested, LanguageModelConfig.Mamba2(dim, layers, 50277), null);

        first.ParameterCount.Should().Be(mamba1);
        second.ParameterCount.Should().Be(mamba2);
    }

    [Fact]
    public void Logits_loss_and_gradients_of_a_mixed_schedule_match_the_reference()
    {
        using Device tested = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();

        (double[] Logits, double Loss, List<(string, double[])> Gradients) actual = Run(tested);
        (double[] Logits, double Loss, List<(string, double[])> Gradients) expected = Run(reference);

        actual.Logits.ShouldBeClose(expected.Logits, Tolerance, "logits");
        actual.Loss.Should().BeApproximately(expected.Loss, Tolerance * expected.Loss);
        foreach (((string name, double[] values), (_, double[] exact)) in actual.Gradients.Zip(expected.Gradients))
        {
            values.ShouldBeClose(exact, GradientTolerance, $"gradient of {name}");
        }
    }

    [Fact]
    public void Gradients_of_a_mixed_schedule_match_central_differences()
    {
        using ReferenceDevice device = TestDevice.Reference();
        using MambaLanguageModel model = new(device, Mixed, new Random(1));
        double[][] gradients;
        using (device.Scope())
        {
            using Tape tape = new(device);
            tape.Backward(model.Loss(Ids, 2));
            gradients = [.. model.Parameters.Select(named => ReferenceDevice.ValuesOf(named.Parameter.Gradient))];
        }

        foreach (((string name, Parameter parameter), double[] gradient) in model.Parameters.Zip(gradients))
        {
            double[] values = ReferenceDevice.ValuesOf(parameter.Value);
            for (int i = 0; i < values.Length; i += Math.Max(1, values.Length / 3))
            {
                const double H = 1e-4;
                double difference = (LossAt(values[i] + H) - LossAt(values[i] - H)) / (2 * H);
                LossAt(values[i]);

                // The difference is good to about H², and to the rounding of the loss over H.
                difference.Should().BeApproximately(gradient[i], 1e-6, "gradient {0} of {1}", i, name);

                double LossAt(double value)
                {
                    using DeviceScope scope = device.Scope();
                    ReferenceDevice.Set(parameter.Value, i, value);
                    return ReferenceDevice.ValuesOf(model.Loss(Ids, 2))[0];
                }
            }
        }
    }

    [Fact]
    public void A_prompt_in_any_pieces_gives_the_logits_of_the_whole()
    {
        using Device tested = TestDevice.Open(2);
        using MambaLanguageModel model = new(tested, Mixed, new Random(1));
        float[] expected = Prefilled(model, [Ids.Length]);

        foreach (int[] pieces in new int[][] { [7, 7], [1, 13], [13, 1], [.. Ids.Select(_ => 1)] })
        {
            Prefilled(model, pieces).ShouldBeClose(expected, Tolerance, string.Join(",", pieces));
        }
    }

    [Fact]
    public void A_text_gives_the_same_bits_alone_and_in_a_batch()
    {
        using Device tested = TestDevice.Open(2);
        using MambaLanguageModel model = new(tested, Mixed, new Random(1));
        int vocabulary = Mixed.PaddedVocabularySize;
        float[] alone = new float[vocabulary], batch = new float[3 * vocabulary];
        using ModelState one = model.CreateState(), three = model.CreateState(3);

        model.Prefill([1, 2, 3, 4], one, alone);
        model.Prefill([9, 9, 9, 9, 1, 2, 3, 4, 0, 0, 0, 0], three, batch);
        batch[vocabulary..(2 * vocabulary)].ShouldBeAsAlone(alone);

        model.Step([5], one, alone);
        model.Step([6, 5, 7], three, batch);
        batch[vocabulary..(2 * vocabulary)].ShouldBeAsAlone(alone);
    }

    [Fact]
    public void A_step_allocates_nothing_on_the_managed_heap()
    {
        Assert.SkipUnless(TestDevice.IsCpu, "Copies to an OpenCL device allocate; CUDA's are tested with a stub.");
        using Device tested = TestDevice.Open(2);
        LanguageModelConfig config = new()
        {
            VocabularySize = 50,
            Layers =
            [
                new MambaMixerOptions { ModelDim = 40, LearnableInitialState = true },
                new Mamba2MixerOptions { ModelDim = 40, HeadDim = 20, SsmDim = 60 },
                new S4dMixerOptions { ModelDim = 40 },
            ],
        };
        using MambaLanguageModel model = new(tested, config, new Random(1));
        using ModelState state = model.CreateState();
        float[] logits = new float[50];
        int[] ids = [7];
        for (int i = 0; i < 5; i++)
        {
            model.Step(ids, state, logits);
        }

        long allocated = Allocations.Of(() =>
        {
            for (int i = 0; i < 20; i++)
            {
                model.Step(ids, state, logits);
            }
        });

        allocated.Should().Be(0);
    }

    [Fact]
    public async Task Greedy_generation_repeats_what_steps_give()
    {
        using Device tested = TestDevice.Open(2);
        using MambaLanguageModel model = new(tested, Mixed, new Random(1));
        using ModelState state = model.CreateState();
        float[] logits = new float[Mixed.PaddedVocabularySize];
        model.Prefill(Ids, state, logits);
        List<int> expected = [];
        for (int i = 0; i < 10; i++)
        {
            expected.Add(Array.IndexOf(logits, logits[..Mixed.VocabularySize].Max()));
            model.Step([expected[^1]], state, logits);
        }

        List<int> tokens = await GenerateAsync(model, new() { MaxTokens = 10, Sampling = new() { Temperature = 0 } });

        tokens.Should().Equal(expected);
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_text()
    {
        using Device tested = TestDevice.Open(2);
        using MambaLanguageModel model = new(tested, Mixed, new Random(1));
        GenerationOptions options = new() { MaxTokens = 20, Sampling = new() { Temperature = 1, Seed = 5 } };

        List<int> first = await GenerateAsync(model, options), second = await GenerateAsync(model, options);
        List<int> other = await GenerateAsync(model, options with { Sampling = options.Sampling with { Seed = 6 } });

        second.Should().Equal(first);
        other.Should().NotEqual(first);
    }

    [Fact]
    public async Task Generation_ends_at_a_stop_token_and_after_a_stop_sequence()
    {
        using Device tested = TestDevice.Open(2);
        using MambaLanguageModel model = new(tested, Mixed, new Random(1));
        GenerationOptions options = new() { MaxTokens = 20, Sampling = new() { Temperature = 1, Seed = 5 } };
        List<int> all = await GenerateAsync(model, options);
        int stop = all[6];

        List<int> upToToken = await GenerateAsync(model, options with { StopTokens = [stop] });
        List<int> upToSequence = await GenerateAsync(model, options with { StopSequences = [all[3..6]] });

        upToToken.Should().Equal(all[..all.IndexOf(stop)]);
        upToSequence.Should().Equal(all[..6]);
    }

    [Fact]
    public async Task Generation_ends_at_the_end_of_text_of_the_model_unless_told_otherwise()
    {
        using Device tested = TestDevice.Open(2);
        GenerationOptions options = new() { MaxTokens = 20, Sampling = new() { Temperature = 1, Seed = 5 } };
        using MambaLanguageModel endless = new(tested, Mixed, new Random(1));
        List<int> all = await GenerateAsync(endless, options);
        using MambaLanguageModel ending = new(tested, Mixed with { EndOfText = [all[6]] }, new Random(1));

        List<int> upToEnd = await GenerateAsync(ending, options);
        List<int> beyond = await GenerateAsync(ending, options with { StopTokens = [] });

        upToEnd.Should().Equal(all[..all.IndexOf(all[6])]);
        beyond.Should().Equal(all);
    }

    [Fact]
    public async Task Cancellation_ends_generation()
    {
        using Device tested = TestDevice.Open(2);
        using MambaLanguageModel model = new(tested, Mixed, new Random(1));
        using CancellationTokenSource source = new();
        int count = 0;

        Func<Task> generate = async () =>
        {
            await foreach (int token in model.GenerateAsync(Ids, cancellation: source.Token))
            {
                if (++count == 3)
                {
                    await source.CancelAsync();
                }
            }
        };

        await generate.Should().ThrowAsync<OperationCanceledException>();
        count.Should().Be(3);
    }

    [Fact]
    public async Task Generation_leaves_the_state_after_the_last_token()
    {
        using Device tested = TestDevice.Open(2);
        using MambaLanguageModel model = new(tested, Mixed, new Random(1));
        GenerationOptions options = new() { Sampling = new() { Temperature = 0 } };
        using ModelState state = model.CreateState();
        List<int> whole = await GenerateAsync(model, options with { MaxTokens = 12 });
        float[] logits = new float[Mixed.PaddedVocabularySize];

        List<int> first = [];
        await foreach (int token in model.GenerateAsync(Ids, options with { MaxTokens = 5 }, state, Token))
        {
            first.Add(token);
        }

        state.Positions.Should().Equal(Ids.Length + 5);
        List<int> second = [];
        await foreach (
            int token in model.GenerateAsync(new int[] { whole[5] }, options with { MaxTokens = 6 }, state, Token))
        {
            second.Add(token);
        }

        first.Append(whole[5]).Concat(second).Should().Equal(whole);
    }

    [Fact]
    public void A_token_that_is_not_in_the_vocabulary_is_refused()
    {
        using Device tested = TestDevice.Open();
        using MambaLanguageModel model = new(tested, Mixed, new Random(1));

        Action forward = () => model.Forward([1, 32]);

        forward.Should().Throw<ArgumentException>().WithMessage("*32*");
    }

    [Fact]
    public void Layers_of_different_widths_are_refused()
    {
        using Device tested = TestDevice.Open();
        LanguageModelConfig config = Mixed with
        {
            Layers = [new MambaMixerOptions { ModelDim = 8 }, new MambaMixerOptions { ModelDim = 16 }],
        };

        Action create = () => new MambaLanguageModel(tested, config, null).Dispose();

        create.Should().Throw<ArgumentException>().WithMessage("*layer 0 has 8*layer 1 has 16*");
    }

    private static (double[] Logits, double Loss, List<(string, double[])> Gradients) Run(Device device)
    {
        using MambaLanguageModel model = new(device, Mixed, new Random(1));
        using DeviceScope scope = device.Scope();
        double[] logits = ReferenceDevice.ValuesOf(model.Forward(Ids, 2));
        using Tape tape = new(device);
        DeviceArray loss = model.Loss(Ids, 2);
        tape.Backward(loss);
        return (
            logits,
            ReferenceDevice.ValuesOf(loss)[0],
            [.. model.Parameters.Select(named => (named.Name, ReferenceDevice.ValuesOf(named.Parameter.Gradient)))]);
    }

    private static float[] Prefilled(MambaLanguageModel model, int[] pieces)
    {
        float[] logits = new float[model.Config.PaddedVocabularySize];
        using ModelState state = model.CreateState();
        int start = 0;
        foreach (int piece in pieces)
        {
            if (piece == 1)
            {
                model.Step([Ids[start]], state, logits);
            }
            else
            {
                model.Prefill(Ids.AsSpan(start, piece), state, logits);
            }

            start += piece;
        }

        return logits;
    }

    private static async Task<List<int>> GenerateAsync(MambaLanguageModel model, GenerationOptions options)
    {
        List<int> tokens = [];
        await foreach (int token in model.GenerateAsync(Ids, options, null, Token))
        {
            tokens.Add(token);
        }

        return tokens;
    }
}
