using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Devices;

/// <summary>
/// Many threads use a device at once; what would go wrong is refused by name, and no process dies of it.
/// </summary>
public sealed class DeviceThreadTests
{
    private const string InUse = "*is in use by thread *A GPU is used by one thread at a time*";

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
        using CpuDevice device = new(2);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        Linear? theirs = null;
        void Meddle() => Threads.Run(() => theirs ??= new(device, 2, 2, true, new Random(2)));
        long before = device.AllocatedBytes;

        FluentActions.Invoking(() => LowRank.Adapt(model, new(), new FailingRandom(Meddle)))
            .Should().Throw<NotSupportedException>();

        theirs!.Weight.Value.ToArray().Should().HaveCount(4);
        theirs.Dispose();
        device.TrimPool();
        device.AllocatedBytes.Should().BeLessThanOrEqualTo(before, "the adapter that was half made is freed");
    }

    [Fact]
    public void A_device_for_one_thread_refuses_others_while_a_scope_is_open()
    {
        using ReferenceDevice device = new() { IsForOneThread = true };
        DeviceArray x = device.Array([2], [1, 2]);
        using DeviceScope scope = device.Scope();
        DeviceArray y = Functions.Silu(x);

        Threads.Run(() =>
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
    public void A_GPU_is_for_one_thread()
    {
        using Device device = TestDevice.OpenGpu(); // has a scope open

        Threads.Run(() => FluentActions.Invoking(() => device.Zeros([2]))
            .Should().Throw<InvalidOperationException>().WithMessage(InUse));
    }

    [Fact]
    public void A_device_for_one_thread_may_be_used_in_turns()
    {
        using ReferenceDevice device = new() { IsForOneThread = true };
        DeviceArray x = device.Array([2], [1, 2]);
        float[]? there = null;
        Threads.Run(() =>
        {
            using DeviceScope scope = device.Scope();
            there = Functions.Silu(x).ToArray();
        });

        using DeviceScope scope = device.Scope();
        Functions.Silu(x).ToArray().Should().Equal(there);
        device.ContextCount.Should().Be(1);
    }

    [Fact]
    public void Every_thread_has_scopes_of_its_own()
    {
        using CpuDevice device = new(2);
        DeviceArray x = device.Array([2], [1, 2]);
        using DeviceScope scope = device.Scope();
        DeviceArray y = Functions.Silu(x);

        Threads.Run(() =>
        {
            using DeviceScope own = device.Scope();
            Functions.Silu(x).ToArray().Should().HaveCount(2);
            device.IsHeld.Should().BeTrue();
        });

        Threads.Run(() => device.IsHeld.Should().BeFalse());
        y.ToArray().Should().HaveCount(2);
        device.ContextCount.Should().Be(2);
    }

    [Fact]
    public void A_thread_has_scopes_on_several_devices_which_end_in_any_order()
    {
        using CpuDevice one = new(1), two = new(1), three = new(1);
        DeviceScope a = one.Scope(), b = two.Scope(), c = three.Scope();
        DeviceArray x = one.Zeros([1]), y = two.Zeros([2]), z = three.Zeros([3]);

        b.Dispose();
        (one.IsHeld, two.IsHeld, three.IsHeld).Should().Be((true, false, true));
        x.ToArray().Should().Equal(0);
        a.Dispose();
        (one.IsHeld, two.IsHeld, three.IsHeld).Should().Be((false, false, true));
        z.ToArray().Should().Equal(0, 0, 0);
        c.Dispose();
        (one.IsHeld, two.IsHeld, three.IsHeld).Should().Be((false, false, false));
        y.Invoking(array => array.ToArray()).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void An_array_of_another_threads_scope_is_refused_by_name()
    {
        using CpuDevice device = new(1);
        using DeviceScope scope = device.Scope();
        DeviceArray x = device.Array([2], [1, 2]);
        IndexArray indices = device.Indices([0]);

        Threads.Run(() =>
        {
            using DeviceScope own = device.Scope();
            ScopeHandle handle = own.Handle;
            DeviceArray table = device.Zeros([1, 1, 2]);
            using Tape tape = new(device);
            Action[] uses =
            [
                () => Functions.Silu(x), () => x.ToArray(), () => x.CopyFrom([1, 2]), () => handle.Keep(x.Storage),
                () => Functions.Gather(table, indices), () => tape.Watch(x),
            ];
            uses.Should().AllSatisfy(use => use.Should().Throw<InvalidOperationException>()
                .WithMessage("*belongs to a scope of thread *ToArray on its own thread*"));
        });

        x.ToArray().Should().Equal(1, 2);
    }

    [Fact]
    public void What_another_thread_frees_stays_until_the_scope_ends()
    {
        using CpuDevice device = new(2);
        Linear linear = new(device, 64, 64, true, new Random(1));
        long before = device.AllocatedBytes;
        using (device.Scope())
        {
            Threads.Run(linear.Dispose);
            device.AllocatedBytes.Should().BeGreaterThanOrEqualTo(before);
            linear.Invoking(l => l.Forward(device.Zeros([1, 64]))).Should().Throw<ObjectDisposedException>()
                .WithMessage("*has been freed: the layer*disposed*");
        }

        device.AllocatedBytes.Should().BeLessThan(before);
    }

    [Fact]
    public void What_a_thread_frees_inside_its_own_scope_is_freed_at_once_if_it_is_alone()
    {
        using CpuDevice device = new(2);
        Linear linear = new(device, 64, 64, true, new Random(1));
        using DeviceScope scope = device.Scope();
        long before = device.AllocatedBytes;

        linear.Dispose();

        device.AllocatedBytes.Should().Be(before - (sizeof(float) * ((64 * 64) + 64)));
    }

    [Fact]
    public void Two_threads_of_which_one_is_always_inside_do_not_keep_freed_memory()
    {
        using CpuDevice device = new(1);
        using SemaphoreSlim ping = new(0), pong = new(0);
        device.Zeros([1]);
        long before = device.AllocatedBytes, most = 0;

        // The one enters before the other leaves, so that at no moment both are outside.
        Threads.RunAll(() => Overlap(ping, pong), () =>
        {
            pong.Wait();
            Overlap(pong, ping);
        });

        most.Should().BeLessThan(before + (8 << 20), "each of 100 layers has 1 MB");

        void Overlap(SemaphoreSlim own, SemaphoreSlim others)
        {
            for (int i = 0; i < 50; i++)
            {
                using DeviceScope scope = device.Scope();
                others.Release();
                Linear linear = new(device, 512, 512, false, new Random(1));
                Threads.Run(linear.Dispose); // a third thread, which is outside
                InterlockedMax(ref most, device.AllocatedBytes);
                own.Wait();
            }

            others.Release(2);
        }
    }

    [Fact]
    public void A_device_that_another_thread_disposes_ends_with_the_scope()
    {
        Device device = new CpuDevice(2);
        DeviceArray x = device.Array([2], [1, 2]);
        using (device.Scope())
        {
            Threads.Run(device.Dispose);
            x.Invoking(array => array.ToArray())
                .Should().Throw<ObjectDisposedException>().WithMessage("*device*disposed*");
            device.AllocatedBytes.Should().BePositive();
        }

        device.AllocatedBytes.Should().Be(0);
        device.Invoking(d => d.Scope().Dispose())
            .Should().Throw<ObjectDisposedException>().WithMessage("*device*has been disposed*");
    }

    [Fact]
    public void A_device_that_one_of_two_threads_inside_disposes_ends_with_the_other()
    {
        Device device = new CpuDevice(2);
        device.Array([2], [1, 2]);
        using (device.Scope())
        {
            device.Zeros([4]);
            Threads.Run(() =>
            {
                using DeviceScope scope = device.Scope();
                device.Zeros([4]);
                device.Dispose();
            });
            device.AllocatedBytes.Should().BePositive();
        }

        device.AllocatedBytes.Should().Be(0);
    }

    [Fact]
    public async Task A_scope_waits_for_a_thread_that_frees_memory()
    {
        using CpuDevice device = new(2);
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
    public void The_memory_of_a_state_that_is_disposed_during_a_step_is_freed()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel model = new(device, Config, new Random(1));
        for (int round = 0; round < 20; round++)
        {
            ModelState state = model.CreateState();
            using ManualResetEventSlim stepping = new();
            Threads.RunAll(
                () =>
                {
                    float[] logits = new float[300];
                    FluentActions.Invoking(() =>
                    {
                        for (int i = 0; ; i++)
                        {
                            model.Step([i % 300], state, logits);
                            stepping.Set();
                        }
                    }).Should().Throw<ObjectDisposedException>().WithMessage("*disposed*");
                },
                () =>
                {
                    stepping.Wait();
                    state.Dispose();
                });
        }

        model.Dispose();
        device.TrimPool();
        device.AllocatedBytes.Should().Be(0);
    }

    private static void InterlockedMax(ref long most, long value)
    {
        long found;
        while ((found = Volatile.Read(ref most)) < value
            && Interlocked.CompareExchange(ref most, value, found) != found)
        {
        }
    }

    /// <summary>Does something in the middle of an adaptation, and then fails.</summary>
    private sealed class FailingRandom(Action action) : Random
    {
        private int _left = 40;

        public override double NextDouble() => Fail();

        public override float NextSingle() => Fail();

        private float Fail()
        {
            if (--_left > 0)
            {
                return 0.5f;
            }

            action();
            throw new NotSupportedException();
        }
    }
}
