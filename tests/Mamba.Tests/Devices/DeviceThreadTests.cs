using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;

namespace Mamba.Tests.Devices;

/// <summary>A device is used by one thread at a time: another is refused by name, and no process dies of it.</summary>
public sealed class DeviceThreadTests
{
    private const string InUse = "*is in use by thread *A device is used by one thread at a time*";

    private static readonly LanguageModelConfig Config = new()
    {
        VocabularySize = 300,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 48 },
            new Mamba2MixerOptions { ModelDim = 48, StateDim = 16, HeadDim = 16 },
            new AttentionMixerOptions { ModelDim = 48, Heads = 4 },
        ],
    };

    [Fact]
    public void Adapters_that_cannot_be_made_free_no_array_of_another_thread()
    {
        using Device device = TestDevice.OpenBare(2);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        bool isRefused = false;
        Linear? theirs = null;
        void Meddle() => OnAnotherThread(() =>
        {
            try
            {
                theirs = new(device, 2, 2, true, new Random(2));
            }
            catch (InvalidOperationException)
            {
                isRefused = true;
            }
        });

        FluentActions.Invoking(() => LowRank.Adapt(model, new(), new FailingRandom(Meddle)))
            .Should().Throw<NotSupportedException>();

        theirs?.Weight.Value.ToArray().Should().HaveCount(4);
        isRefused.Should().BeTrue("a device is used by one thread at a time");
    }

    [Fact]
    public void While_a_scope_is_open_other_threads_are_refused()
    {
        using Device device = TestDevice.OpenBare(2);
        DeviceArray x = device.Array([2], [1, 2]);
        using DeviceScope scope = device.Scope();
        DeviceArray y = Functions.Silu(x);

        OnAnotherThread(() =>
        {
            Action[] uses =
            [
                () => device.Scope(), () => Functions.Silu(x), () => device.Zeros([2]), () => x.ToArray(),
                () => y.CopyFrom([1, 2]), () => device.Indices([1]), () => new Tape(device).Dispose(),
                () => new Linear(device, 2, 2, true, null).Dispose(),
            ];
            uses.Should().AllSatisfy(use => use.Should().Throw<InvalidOperationException>().WithMessage(InUse));
        });

        y.ToArray().Should().HaveCount(2);
    }

    [Fact]
    public void Threads_may_take_turns()
    {
        using Device device = TestDevice.OpenBare(2);
        DeviceArray x = device.Array([2], [1, 2]);
        float[]? there = null;
        OnAnotherThread(() =>
        {
            using DeviceScope scope = device.Scope();
            there = Functions.Silu(x).ToArray();
        });

        using DeviceScope scope = device.Scope();
        Functions.Silu(x).ToArray().Should().Equal(there);
    }

    [Fact]
    public void A_scope_ends_on_its_own_thread()
    {
        using Device device = TestDevice.OpenBare(2);
        DeviceScope scope = device.Scope();
        DeviceArray x = device.Zeros([1]);

        OnAnotherThread(() =>
        {
            scope.Invoking(s => s.Dispose())
                .Should().Throw<InvalidOperationException>().WithMessage("*opened by thread*no await*");
            scope.Invoking(s => s.Keep(x))
                .Should().Throw<InvalidOperationException>().WithMessage("*opened by thread*");
        });

        x.ToArray().Should().Equal(0);
        scope.Dispose();
    }

    [Fact]
    public void What_another_thread_frees_stays_until_the_scope_ends()
    {
        using Device device = TestDevice.OpenBare(2);
        Linear linear = new(device, 64, 64, true, new Random(1));
        long before = device.AllocatedBytes;
        using (device.Scope())
        {
            OnAnotherThread(linear.Dispose);
            device.AllocatedBytes.Should().BeGreaterThanOrEqualTo(before);
            linear.Invoking(l => l.Forward(device.Zeros([1, 64]))).Should().Throw<ObjectDisposedException>()
                .WithMessage("*has been freed: the layer*disposed*");
        }

        device.AllocatedBytes.Should().BeLessThan(before);
    }

    [Fact]
    public void A_device_that_another_thread_disposes_ends_with_the_scope()
    {
        Device device = TestDevice.OpenBare(2);
        DeviceArray x = device.Array([2], [1, 2]);
        using (device.Scope())
        {
            OnAnotherThread(device.Dispose);
            x.Invoking(array => array.ToArray())
                .Should().Throw<ObjectDisposedException>().WithMessage("*device*disposed*");
            device.AllocatedBytes.Should().BePositive();
        }

        device.AllocatedBytes.Should().Be(0);
        device.Invoking(d => d.Scope())
            .Should().Throw<ObjectDisposedException>().WithMessage("*device*has been disposed*");
    }

    [Fact]
    public async Task A_scope_waits_for_a_thread_that_frees_memory()
    {
        using Device device = TestDevice.OpenBare(2);
        using ManualResetEventSlim begun = new(), done = new();
        CancellationToken token = TestContext.Current.CancellationToken;
        Task freeing = Task.Run(
            () => device.WhenUnused(() =>
            {
                begun.Set();
                done.Wait(token);
            }),
            token);
        begun.Wait(token);

        Task<float[]> computing = Task.Run(
            () =>
            {
                using DeviceScope scope = device.Scope();
                return Functions.Silu(device.Zeros([2])).ToArray();
            },
            token);
        await Task.Delay(20, token);
        computing.IsCompleted.Should().BeFalse();
        done.Set();

        (await computing).Should().Equal(0, 0);
        await freeing;
    }

    [Theory]
    [InlineData("device")]
    [InlineData("model")]
    [InlineData("state")]
    public async Task What_is_disposed_while_a_text_is_generated_ends_it_by_name(string disposed)
    {
        for (int round = 0; round < 12; round++)
        {
            using Device device = TestDevice.OpenBare(1 + (round % 2));
            using MambaLanguageModel model = new(device, Config, new Random(1));
            using ModelState state = model.CreateState();
            using ManualResetEventSlim started = new();
            Task generating = Task.Run(
                async () =>
                {
                    await foreach (
                        int token in model.GenerateAsync(new int[] { 1, 2 }, new() { MaxTokens = 1_000_000 }, state))
                    {
                        started.Set();
                    }
                },
                TestContext.Current.CancellationToken);
            started.Wait(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken).Should().BeTrue();
            await Task.Delay(round % 4, TestContext.Current.CancellationToken);

            IDisposable ended = disposed switch { "device" => device, "model" => model, _ => state };
            ended.Dispose();

            Func<Task> wait = () => generating.WaitAsync(TimeSpan.FromSeconds(20));
            await wait.Should().ThrowAsync<ObjectDisposedException>().WithMessage("*disposed*");
        }
    }

    [Fact]
    public async Task Two_threads_with_one_model_get_right_answers_or_are_refused()
    {
        using Device device = TestDevice.OpenBare(2);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        float[] expected = Read(model, 3);

        int[][] outcomes = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => Task.Run(
            () =>
            {
                int right = 0, refused = 0;
                for (int i = 0; i < 200; i++)
                {
                    try
                    {
                        Read(model, 3).ShouldHaveTheBitsOf(expected);
                        right++;
                    }
                    catch (InvalidOperationException exception)
                    {
                        exception.Message.Should().Match(InUse);
                        refused++;
                    }
                }

                return new[] { right, refused };
            },
            TestContext.Current.CancellationToken)));

        outcomes.Sum(outcome => outcome[0]).Should().BePositive();
        Read(model, 3).ShouldHaveTheBitsOf(expected);
    }

    private static float[] Read(MambaLanguageModel model, int steps)
    {
        ModelState state = model.CreateState();
        try
        {
            float[] logits = new float[300];
            model.Prefill([1, 2, 3], state, logits);
            for (int i = 0; i < steps; i++)
            {
                model.Step([i], state, logits);
            }

            return logits;
        }
        finally
        {
            state.Dispose();
        }
    }

    private static void OnAnotherThread(Action action)
    {
        Exception? failure = null;
        Thread thread = new(() => failure = Record.Exception(action));
        thread.Start();
        thread.Join();
        failure.Should().BeNull();
    }

    /// <summary>Does something in the middle of an adaptation, and then fails.</summary>
    private sealed class FailingRandom(Action action) : Random
    {
        public override double NextDouble() => Fail();

        public override float NextSingle() => Fail();

        private int Fail()
        {
            action();
            throw new NotSupportedException();
        }
    }
}
