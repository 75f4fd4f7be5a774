using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Memory;

public sealed class ScopeTests
{
    [Fact]
    public void An_array_ends_with_its_scope()
    {
        using Device tested = TestDevice.OpenBare();
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
        using Device tested = TestDevice.OpenBare();
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
        using Device tested = TestDevice.OpenBare();
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
        using Device tested = TestDevice.OpenBare();
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
        using Device tested = TestDevice.OpenBare();
        DeviceScope outer = tested.Scope();
        DeviceScope inner = tested.Scope();

        outer.Handle.Invoking(scope => scope.End()).Should().Throw<InvalidOperationException>();
        inner.Dispose();
        outer.Dispose();
    }

    [Fact]
    public void A_scope_ends_once()
    {
        using Device tested = TestDevice.OpenBare();
        DeviceScope first = tested.Scope();
        ScopeHandle ended = first.Handle; // a scope cannot be captured
        first.Dispose();

        ended.Invoking(scope => scope.End())
            .Should().Throw<InvalidOperationException>().WithMessage("*ended already*");
        using DeviceScope second = tested.Scope(); // of the same depth
        DeviceArray array = tested.Zeros([2]);
        ended.Invoking(scope => scope.End())
            .Should().Throw<InvalidOperationException>().WithMessage("*ended already*");
        ended.Invoking(scope => scope.Keep(array.Storage))
            .Should().Throw<InvalidOperationException>().WithMessage("*ended already*");
        array.ToArray().Should().Equal(0, 0);
    }

    [Fact]
    public void An_empty_scope_is_refused_by_name()
    {
        Action end = () => default(DeviceScope).Dispose();

        end.Should().Throw<InvalidOperationException>().WithMessage("*empty (default)*");
    }

    [Fact]
    public void An_outer_scope_keeps_an_array_of_an_inner_one_and_nothing_else_moves()
    {
        using Device tested = TestDevice.OpenBare();
        DeviceArray kept, before, after;
        using (DeviceScope outer = tested.Scope())
        {
            DeviceArray own = tested.Array([1], [7]);
            using (tested.Scope())
            {
                before = tested.Array([1], [1]);
                kept = outer.Keep(tested.Array([1], [2]));
                after = tested.Array([1], [3]);
                outer.Keep(own);
                after.ToArray().Should().Equal(3);
            }

            before.Invoking(array => array.ToArray()).Should().Throw<ObjectDisposedException>();
            after.Invoking(array => array.ToArray()).Should().Throw<ObjectDisposedException>();
            own.ToArray().Should().Equal(7);
            tested.Free(own);
        }

        kept.ToArray().Should().Equal(2);
        tested.Free(kept);
    }

    [Fact]
    public void Indices_are_freed_by_their_scope_or_by_hand()
    {
        using Device tested = TestDevice.OpenBare();
        long before = tested.AllocatedBytes;
        IndexArray owned = tested.Indices([1, 2, 3]), kept, scoped;
        using (DeviceScope scope = tested.Scope())
        {
            scoped = tested.Indices([1]);
            kept = scope.Keep(tested.Indices([1, 0]));
        }

        DeviceArray x = tested.Array([1, 2, 1], [5, 6]);
        using (tested.Scope())
        {
            Functions.Gather(x, kept).ToArray().Should().Equal(6, 5);
            x.Invoking(y => Functions.Gather(y, scoped))
                .Should().Throw<ObjectDisposedException>().WithMessage("*scope*ended*");
        }

        tested.Free(owned);
        tested.Free(kept);
        tested.Free(x);
        tested.Invoking(device => device.Free(owned))
            .Should().Throw<ObjectDisposedException>().WithMessage("*has been freed*");
        using Device fresh = TestDevice.OpenBare();
        tested.AllocatedBytes
            .Should().BeLessThanOrEqualTo(before + PoolOf(fresh), "only what scopes use again is left");

        static long PoolOf(Device device)
        {
            using (device.Scope())
            {
                device.Indices([1]);
                device.Indices([1, 0]);
                DeviceArray x = device.Array([1, 2, 1], [5, 6]);
                Functions.Gather(x, device.Indices([0, 1]));
            }

            return device.AllocatedBytes;
        }
    }

    [Fact]
    public void What_is_computed_without_a_scope_is_refused_by_name()
    {
        using Device tested = TestDevice.OpenBare();
        DeviceArray x = tested.Array([1, 2], [1, 2]);
        Action[] functions =
        [
            () => Functions.Silu(x), () => Functions.Add(x, x), () => Functions.Linear(x, x), () => Functions.Sum(x),
            () => Functions.Concat(x, x), () => Functions.Softmax(x), () => Functions.RmsNorm(x, default, 1e-5f),
        ];

        functions.Should().AllSatisfy(function =>
            function.Should().Throw<InvalidOperationException>().WithMessage("*needs a scope*device.Scope()*"));
        x.ToArray().Should().Equal(1, 2);
    }

    [Fact]
    public void A_loop_inside_one_scope_is_told_what_it_costs()
    {
        using Device tested = TestDevice.OpenBare();
        List<string> warnings = [];
        tested.Warning = warnings.Add;
        using (tested.Scope())
        {
            for (int i = 0; i < 20_000; i++)
            {
                tested.Allocate([1]);
            }
        }

        warnings
            .Should().ContainSingle().Which.Should().Contain("16,384 arrays").And.Contain("every round of the loop");
        for (int i = 0; i < 20_000; i++)
        {
            using DeviceScope scope = tested.Scope();
            tested.Allocate([1]);
        }

        warnings.Should().HaveCount(1);
    }

    [Fact]
    public void Tapes_inside_one_scope_are_told_what_they_cost()
    {
        using Device tested = TestDevice.OpenBare();
        List<string> warnings = [];
        tested.Warning = warnings.Add;
        using DeviceScope scope = tested.Scope();
        DeviceArray x = tested.Array([1], [2]);
        for (int i = 0; i < 40; i++)
        {
            using Tape tape = new(tested);
            tape.Watch(x);
            tape.Backward(Functions.Silu(x));
        }

        warnings.Should().ContainSingle().Which.Should().Contain("16 tapes").And.Contain("every training step");
    }

    [Fact]
    public void An_array_of_a_scope_cannot_be_freed_by_hand()
    {
        using Device tested = TestDevice.OpenBare();
        using DeviceScope scope = tested.Scope();
        DeviceArray array = tested.Zeros([1]);

        tested.Invoking(device => device.Free(array)).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void An_array_of_another_device_is_refused_by_name()
    {
        using CpuDevice one = new(1), two = new(2);
        using DeviceScope scope = one.Scope();
        DeviceArray a = one.Zeros([2]), b = two.Zeros([2]);

        Action add = () => Functions.Add(a, b);

        add.Should().Throw<ArgumentException>().WithMessage("*2 threads*1 thread*");
    }

    [Fact]
    public void Work_after_the_first_round_allocates_nothing_on_the_managed_heap()
    {
        using Device tested = TestDevice.OpenBare(2);
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
