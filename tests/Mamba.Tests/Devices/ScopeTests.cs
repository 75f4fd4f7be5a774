using Mamba.Autograd;
using Mamba.Devices;

namespace Mamba.Tests.Devices;

public sealed class ScopeTests
{
    [Fact]
    public void An_array_ends_with_its_scope()
    {
        using CpuDevice cpu = new(1);
        DeviceArray array;
        using (cpu.Scope())
        {
            array = cpu.Zeros([4]);
        }

        array.Invoking(ended => ended.ToArray()).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void An_array_that_is_kept_belongs_to_the_enclosing_scope()
    {
        using CpuDevice cpu = new(1);
        DeviceArray outer;
        using (cpu.Scope())
        {
            using (DeviceScope inner = cpu.Scope())
            {
                cpu.Zeros([8]);
                outer = inner.Keep(cpu.Array([2], [1f, 2f]));
                cpu.Zeros([8]);
            }

            cpu.Array([2], [3f, 4f]);
            outer.ToArray().Should().Equal(1f, 2f);
        }

        outer.Invoking(ended => ended.ToArray()).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void An_array_that_is_kept_beyond_the_last_scope_belongs_to_the_caller()
    {
        using CpuDevice cpu = new(1);
        DeviceArray kept;
        using (DeviceScope scope = cpu.Scope())
        {
            kept = scope.Keep(cpu.Array([2], [1f, 2f]));
        }

        kept.ToArray().Should().Equal(1f, 2f);
        long before = cpu.AllocatedBytes;
        cpu.Free(kept);
        cpu.AllocatedBytes.Should().BeLessThan(before);
        kept.Invoking(freed => freed.ToArray()).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void A_scope_uses_the_memory_of_the_scope_before()
    {
        using CpuDevice cpu = new(1);
        long before = 0;
        for (int i = 0; i < 5; i++)
        {
            using DeviceScope scope = cpu.Scope();
            cpu.Zeros([1000]);
            cpu.Zeros([990]);
            before = i == 0 ? cpu.AllocatedBytes : before;
        }

        cpu.AllocatedBytes.Should().Be(before);
    }

    [Fact]
    public void Scopes_end_from_the_inside_out()
    {
        using CpuDevice cpu = new(1);
        DeviceScope outer = cpu.Scope();
        DeviceScope inner = cpu.Scope();

        outer.Invoking(scope => scope.Dispose()).Should().Throw<InvalidOperationException>();
        inner.Dispose();
        outer.Dispose();
        outer.Invoking(scope => scope.Dispose()).Should().NotThrow();
    }

    [Fact]
    public void An_array_of_a_scope_cannot_be_freed_by_hand()
    {
        using CpuDevice cpu = new(1);
        using DeviceScope scope = cpu.Scope();
        DeviceArray array = cpu.Zeros([1]);

        cpu.Invoking(device => device.Free(array)).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void An_array_of_another_device_is_refused_by_name()
    {
        using CpuDevice one = new(1), two = new(2);
        DeviceArray a = one.Zeros([2]), b = two.Zeros([2]);

        Action add = () => Functions.Add(a, b);

        add.Should().Throw<ArgumentException>().WithMessage("*2 threads*1 thread*");
    }

    [Fact]
    public void Work_after_the_first_round_allocates_nothing_on_the_managed_heap()
    {
        using CpuDevice cpu = new(2);
        DeviceArray x = cpu.Array([300, 200], Samples.Normal(1, 60_000));
        for (int i = 0; i < 3; i++)
        {
            Round();
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++)
        {
            Round();
        }

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);

        void Round()
        {
            using DeviceScope scope = cpu.Scope();
            Functions.Gate(Functions.Silu(x.Slice(0, 100)), x.Slice(100, 100));
        }
    }
}
