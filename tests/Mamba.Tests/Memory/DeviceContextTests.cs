using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Memory;

/// <summary>
/// Contexts are taken when a thread enters, given back when it leaves, and reclaimed when it has ended.
/// </summary>
public sealed class DeviceContextTests
{
    [Fact]
    public void Threads_that_take_turns_share_one_context_and_its_pool()
    {
        using CpuDevice device = new(1);
        Work();
        long before = device.AllocatedBytes;
        for (int i = 0; i < 5; i++)
        {
            Threads.Run(Work);
        }

        device.ContextCount.Should().Be(1);
        device.AllocatedBytes.Should().Be(before);

        void Work()
        {
            using DeviceScope scope = device.Scope();
            device.Zeros([1000]);
        }
    }

    [Fact]
    public void There_are_as_many_contexts_as_threads_were_inside_at_once()
    {
        using CpuDevice device = new(1);
        for (int round = 0; round < 3; round++)
        {
            using Barrier inside = new(3);
            Action work = () =>
            {
                using DeviceScope scope = device.Scope();
                inside.SignalAndWait();
            };
            Threads.RunAll(work, work, work);
        }

        device.ContextCount.Should().Be(3);
    }

    [Fact]
    public void The_context_of_a_thread_that_ended_inside_is_reclaimed()
    {
        using CpuDevice device = new(1);
        DeviceArray left = default;
        Threads.Run(() => left = EnterAndForget(device));
        long before = device.AllocatedBytes;
        left.IsAlive.Should().BeTrue();

        using (device.Scope())
        {
            device.Tape.Should().BeNull("the tape of the thread that ended is no other thread's");
            device.Zeros([1000]);
        }

        device.ContextCount.Should().Be(1);
        device.AllocatedBytes.Should().Be(before, "the memory of the thread that ended is used again");
        left.Invoking(array => array.ToArray()).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void A_thread_that_ended_inside_does_not_keep_what_is_freed()
    {
        using CpuDevice device = new(1);
        DeviceArray owned = device.Zeros([1000]);
        using (device.Scope())
        {
            Threads.Run(() => EnterAndForget(device));
            long before = device.AllocatedBytes;

            device.Free(owned);

            device.AllocatedBytes.Should().BeLessThan(before);
        }
    }

    [Fact]
    public void A_device_with_a_thread_that_ended_inside_is_disposed_at_once()
    {
        CpuDevice device = new(2);
        Threads.Run(() => EnterAndForget(device));

        device.Dispose();

        device.AllocatedBytes.Should().Be(0);
    }

    [Fact]
    public void A_thread_that_ended_inside_does_not_bar_a_device_for_one_thread()
    {
        using Reference.ReferenceDevice device = new() { IsForOneThread = true };
        Threads.Run(() => EnterAndForget(device));

        device.Array([1], [1]).ToArray().Should().Equal(1);
    }

    [Fact]
    public void Trimming_frees_what_no_scope_uses_of_all_threads()
    {
        using CpuDevice device = new(1);
        using Barrier inside = new(2);
        Action work = () =>
        {
            using DeviceScope scope = device.Scope();
            inside.SignalAndWait();
            device.Zeros([1000]);
        };
        Threads.RunAll(work, work);
        using DeviceScope scope = device.Scope();
        DeviceArray used = device.Array([64], Samples.Normal(1, 64));
        float[] before = used.ToArray();

        device.TrimPool();

        device.AllocatedBytes.Should().Be(64 * sizeof(float));
        used.ToArray().Should().Equal(before);
    }

    [Fact]
    public void Trimming_frees_what_a_thread_inside_has_pooled_when_it_leaves()
    {
        using CpuDevice device = new(1);
        using (device.Scope())
        {
            using (device.Scope())
            {
                device.Zeros([1000]);
            }

            Threads.Run(device.TrimPool);
            device.AllocatedBytes.Should().BePositive();
        }

        device.AllocatedBytes.Should().Be(0);
    }

    [Fact]
    public void What_would_exceed_the_limit_of_the_pools_is_freed()
    {
        using CpuDevice device = new(1);
        device.PoolLimit.Should().Be(long.MaxValue);
        device.PoolLimit = 8192;
        using (device.Scope())
        {
            device.Zeros([1024]);
            device.Zeros([1024]);
            device.Zeros([1024]);
            device.AllocatedBytes.Should().Be(3 * 4096);
        }

        device.AllocatedBytes.Should().Be(2 * 4096);
        device.PoolLimit = 4096;
        device.AllocatedBytes.Should().Be(0, "the pools kept more than the new limit");
        device.PoolLimit = 0;
        using (device.Scope())
        {
            device.Zeros([1024]);
        }

        device.AllocatedBytes.Should().Be(0);
        device.Invoking(d => d.PoolLimit = -1).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public void The_limit_counts_the_pools_of_all_threads()
    {
        using CpuDevice device = new(1);
        device.PoolLimit = 8192;
        using Barrier inside = new(4);
        Action work = () =>
        {
            using (device.Scope())
            {
                device.Zeros([1024]);
                inside.SignalAndWait();
            }
        };
        Threads.RunAll(work, work, work, work);

        // Threads that leave at the same moment may each see room for the last piece.
        device.AllocatedBytes.Should().BeInRange(8192, 16384);
        work = () =>
        {
            using DeviceScope scope = device.Scope();
            device.Zeros([1024]);
            device.Zeros([1024]);
            device.Zeros([1024]);
        };
        work();
        work();
        device.AllocatedBytes.Should().BeLessThanOrEqualTo(12288);
    }

    [Fact]
    public void Entering_and_leaving_allocates_nothing_on_the_managed_heap()
    {
        using CpuDevice one = new(1), two = new(1);
        using ManualResetEventSlim entered = new(), done = new();
        Thread inside = new(() =>
        {
            using DeviceScope scope = one.Scope();
            entered.Set();
            done.Wait();
        })
        {
            IsBackground = true,
        };
        inside.Start();
        entered.Wait();
        Round();

        Allocations.Of(() =>
        {
            for (int i = 0; i < 100; i++)
            {
                Round();
            }
        }).Should().Be(0);

        done.Set();
        inside.Join();

        void Round()
        {
            using DeviceScope a = one.Scope(), b = two.Scope();
            one.Allocate([100]);
            two.Allocate([100]);
        }
    }

    private static DeviceArray EnterAndForget(Device device)
    {
        device.Scope();
        DeviceArray array = device.Zeros([1000]);
        Tape tape = new(device);
        tape.Watch(array);
        Functions.Silu(array);
        return array;
    }
}
