using Mamba.Autograd;
using Mamba.Devices;

namespace Mamba.Tests.Devices;

public sealed class ScopeTests
{
    [Fact]
    public void An_array_ends_with_its_scope()
    {
        using Device tested = TestDevice.Open();
        DeviceArray array;
        using (tested.Scope())
        {
            array = tested.Zeros([4]);
        }

        array.Invoking(ended => ended.ToArray()).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void An_array_that_is_kept_belongs_to_the_enclosing_scope()
    {
        using Device tested = TestDevice.Open();
        DeviceArray outer;
        using (tested.Scope())
        {
            using (DeviceScope inner = tested.Scope())
            {
                tested.Zeros([8]);
                outer = inner.Keep(tested.Array([2], [1f, 2f]));
                tested.Zeros([8]);
            }

            tested.Array([2], [3f, 4f]);
            outer.ToArray().Should().Equal(1f, 2f);
        }

        outer.Invoking(ended => ended.ToArray()).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void An_array_that_is_kept_beyond_the_last_scope_belongs_to_the_caller()
    {
        using Device tested = TestDevice.Open();
        DeviceArray kept;
        using (DeviceScope scope = tested.Scope())
        {
            kept = scope.Keep(tested.Array([2], [1f, 2f]));
        }

        kept.ToArray().Should().Equal(1f, 2f);
        long before = tested.AllocatedBytes;
        tested.Free(kept);
        tested.AllocatedBytes.Should().BeLessThan(before);
        kept.Invoking(freed => freed.ToArray()).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void A_scope_uses_the_memory_of_the_scope_before()
    {
        using Device tested = TestDevice.Open();
        long before = 0;
        for (int i = 0; i < 5; i++)
        {
            using DeviceScope scope = tested.Scope();
            tested.Zeros([1000]);
            tested.Zeros([990]);
            before = i == 0 ? tested.AllocatedBytes : before;
        }

        tested.AllocatedBytes.Should().Be(before);
    }

    [Fact]
    public void Scopes_end_from_the_inside_out()
    {
        using Device tested = TestDevice.Open();
        DeviceScope outer = tested.Scope();
        DeviceScope inner = tested.Scope();

        outer.Invoking(scope => scope.Dispose()).Should().Throw<InvalidOperationException>();
        inner.Dispose();
        outer.Dispose();
        outer.Invoking(scope => scope.Dispose()).Should().NotThrow();
    }

    [Fact]
    public void An_array_of_a_scope_cannot_be_freed_by_hand()
    {
        using Device tested = TestDevice.Open();
        using DeviceScope scope = tested.Scope();
        DeviceArray array = tested.Zeros([1]);

        tested.Invoking(device => device.Free(array)).Should().Throw<InvalidOperationException>();
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
        using Device tested = TestDevice.Open(2);
        DeviceArray x = tested.Array([300, 200], Samples.Normal(1, 60_000));
        for (int i = 0; i < 3; i++)
        {
            Round();
        }

        long allocated = Allocations.Of(() =>
        {
            for (int i = 0; i < 10; i++)
            {
                Round();
            }
        });

        allocated.Should().Be(0);

        void Round()
        {
            using DeviceScope scope = tested.Scope();
            Functions.Gate(Functions.Silu(x.Slice(0, 100)), x.Slice(100, 100));
        }
    }
}
