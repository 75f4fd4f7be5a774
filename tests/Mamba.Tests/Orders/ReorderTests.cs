using System.Runtime.CompilerServices;
using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Tests.Orders;

/// <summary>Tokens put into an order and back, and the copies of orders that devices keep.</summary>
public sealed class ReorderTests
{
    // Forward and the gradients of permutations copy; repeated tokens add up a few float32.
    private const double Tolerance = 1e-6;

    private static readonly Dictionary<string, ScanOrder> Orders = new()
    {
        ["permutation"] = ScanOrder.Random(6, 1),
        ["backward"] = ScanOrder.Backward,
        ["padding"] = ScanOrder.Rows(2, 3).Insert(0, 4),
        ["left out"] = ScanOrder.From([5, 1], 6),
        ["several times"] = ScanOrder.From([4, 0, 4, -1, 2, 0, 4, 1], 6),
        ["per sample"] = ScanOrder.PerSample(ScanOrder.Random(6, 2), ScanOrder.Random(6, 3)),
        ["per sample, several times"] = ScanOrder.PerSample(
            ScanOrder.From([0, 0, 5], 6), ScanOrder.From([-1, 3, 3], 6)),
    };

    public static TheoryData<string, int> Cases =>
        [.. Orders.Keys.SelectMany(name => new[] { 1, 5, 67 }.Select(width => (name, width)))];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Reorder_matches_the_reference(string name, int channels)
    {
        FunctionCheck check = Reorder(Orders[name], channels);

        check.ShouldMatchTheReference(0, Tolerance);
        check.ShouldGiveTheSameBitsOnSlices();
        check.ShouldGiveTheSameBitsOnAnyNumberOfThreads();
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Restore_matches_the_reference(string name, int channels)
    {
        FunctionCheck check = Restore(Orders[name], channels);

        check.ShouldMatchTheReference(Tolerance, Tolerance);
        check.ShouldGiveTheSameBitsOnSlices();
        check.ShouldGiveTheSameBitsOnAnyNumberOfThreads();
    }

    [Fact]
    public void Reference_gradients_are_differences()
    {
        foreach (ScanOrder order in Orders.Values)
        {
            Reorder(order, 2).ShouldHaveTheDifferencesAsReferenceGradients();
            Restore(order, 2).ShouldHaveTheDifferencesAsReferenceGradients();
        }
    }

    [Fact]
    public void Reorder_visits_the_positions_of_each_row()
    {
        using Device device = TestDevice.Open(2);
        foreach (ScanOrder given in Orders.Values)
        {
            ScanOrder order = given.OfLength(6);
            float[] x = Samples.Normal(1, 2 * 6 * 3);

            float[] y = Functions.Reorder(device.Array([2, 6, 3], x), given).ToArray();

            for (int i = 0; i < y.Length; i++)
            {
                (int row, int channel) = (i / 3, i % 3);
                (int sample, int step) = (row / order.Length, row % order.Length);
                int position = order.Of(sample)[step];
                y[i].Should().Be(position < 0 ? 0 : x[(((sample * 6) + position) * 3) + channel], given.ToString());
            }
        }
    }

    [Fact]
    public void Restore_adds_repeated_tokens_and_leaves_others_at_zero()
    {
        using Device device = TestDevice.Open();
        ScanOrder order = ScanOrder.From([2, -1, 0, 2], 4);

        float[] x = Functions.Restore(device.Array([1, 4, 1], [1, 2, 3, 4]), order).ToArray();

        x.Should().Equal(3, 0, 5, 0);
    }

    [Fact]
    public void A_permutation_and_its_way_back_change_nothing()
    {
        using Device device = TestDevice.Open(2);
        float[] values = Samples.Normal(1, 3 * 35 * 9);
        DeviceArray x = device.Array([3, 35, 9], values);
        foreach (ScanOrder order in new[] { ScanOrder.Gilbert(5, 7), ScanOrder.Backward, ScanOrder.Forward })
        {
            Functions.Restore(Functions.Reorder(x, order), order).ToArray().ShouldHaveTheBitsOf(values);
        }
    }

    [Fact]
    public void One_order_after_the_other_is_both_composed()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([2, 6, 4], Samples.Normal(1, 48));
        ScanOrder first = Orders["per sample"], second = ScanOrder.From([5, -1, 0, 0], 6);

        float[] both = Functions.Reorder(Functions.Reorder(x, first), second).ToArray();

        Functions.Reorder(x, first.Then(second)).ToArray().ShouldHaveTheBitsOf(both);
    }

    [Fact]
    public void Backward_reverses_packed_sequences_one_by_one()
    {
        using Device device = TestDevice.Open();
        Segments segments = Segments.FromLengths([3, 0, 1, 2]);
        DeviceArray x = device.Array([1, 6, 1], [1, 2, 3, 4, 5, 6]);
        using Tape tape = new(device);
        tape.Watch(x);

        DeviceArray y = Functions.Reorder(x, ScanOrder.Backward, segments);
        DeviceArray z = Functions.Restore(y, ScanOrder.Backward, segments);
        tape.Backward((y, device.Array([1, 6, 1], [1, 2, 3, 4, 5, 6])), (z, device.Zeros([1, 6, 1])));

        y.ToArray().Should().Equal(3, 2, 1, 4, 6, 5);
        z.ToArray().Should().Equal(1, 2, 3, 4, 5, 6);
        tape.GradientOf(x).ToArray().Should().Equal(3, 2, 1, 4, 6, 5);
    }

    [Fact]
    public void Forward_is_the_array_itself()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([1, 6, 1]);

        Functions.Reorder(x, ScanOrder.Forward).Should().Be(x);
        Functions.Restore(x, ScanOrder.Forward, Segments.FromLengths([2, 4])).Should().Be(x);
    }

    [Fact]
    public void Empty_batches_and_sequences_pass()
    {
        using Device device = TestDevice.Open();

        Functions.Reorder(device.Zeros([0, 6, 2]), Orders["permutation"]).Shape.ToArray().Should().Equal(0, 6, 2);
        Functions.Restore(device.Zeros([0, 8, 2]), Orders["several times"]).Shape.ToArray().Should().Equal(0, 6, 2);
        Functions.Reorder(device.Zeros([2, 0, 2]), ScanOrder.Backward).Shape.ToArray().Should().Equal(2, 0, 2);
        Functions.Reorder(device.Zeros([2, 0, 2]), ScanOrder.From([-1], 0)).ToArray().Should().Equal(0, 0, 0, 0);
        Functions.Reorder(device.Zeros([1, 0, 2]), ScanOrder.Backward, Segments.FromLengths([0]))
            .Shape.ToArray().Should().Equal(1, 0, 2);
    }

    [Fact]
    public void Rows_are_gathered_and_scattered()
    {
        FunctionCheck gather = new(
            x => Functions.GatherRows(x[0], x[0].Device.Indices([4, -1, 0, 4])), ([2, 3, 5], Samples.Normal(1, 30)));
        FunctionCheck scatter = new(
            x => Functions.ScatterRows(x[0], x[0].Device.Indices([2, -1, 0, 2, 2, 6]), 8),
            ([2, 3, 70], Samples.Normal(1, 420)));

        foreach (FunctionCheck check in new[] { gather, scatter })
        {
            check.ShouldMatchTheReference(Tolerance, Tolerance);
            check.ShouldGiveTheSameBitsOnSlices();
            check.ShouldHaveTheDifferencesAsReferenceGradients();
        }

        using Device device = TestDevice.Open();
        Functions.ScatterRows(device.Array([3, 1], [1, 2, 4]), device.Indices([1, -1, 1]), 3).ToArray()
            .Should().Equal(0, 5, 0);
    }

    [Fact]
    public void Misuse_is_refused_by_name()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 6, 3]);
        ScanOrder order = Orders["padding"];
        (Action Call, string Message)[] cases =
        [
            (() => Functions.Reorder(x.Reshape([1, 12, 3]), order), "*[batch, 6, channels]*8 steps over 6*[1, 12, 3]*"),
            (() => Functions.Restore(x, order), "*[batch, 8, channels]*[2, 6, 3]*"),
            (() => Functions.Reorder(device.Zeros([3, 6, 1]), Orders["per sample"]), "*[2, 6, channels]*[3, 6, 1]*"),
            (() => Functions.Reorder(x.Reshape([12, 3]), order), "*[batch, length, channels]*[12, 3]*"),
            (() => Functions.Reorder(x, order, Segments.FromLengths([6, 6])), "*Forward*Backward*packed*8 steps*"),
            (() => Functions.Reorder(x, ScanOrder.Backward, Segments.FromLengths([6])), "*6 tokens*12*"),
            (() => Functions.ScatterRows(x, device.Indices([0]), 3), "*12 indices*[2, 6, 3]*found 1*"),
            (() => Functions.ScatterRows(x.Reshape([1, 36]), device.Indices([3]), 3), "*0 to 2*found 3*"),
            (() => Functions.GatherRows(x, device.Indices([12])), "*0 to 11*found 12*"),
        ];

        foreach ((Action call, string message) in cases)
        {
            call.Should().Throw<ArgumentException>(message).WithMessage(message);
        }
    }

    [Fact]
    public void A_device_copies_an_order_once_and_no_scope_frees_the_copy()
    {
        using Device device = TestDevice.Open();
        ScanOrder order = ScanOrder.Random(6, 9);
        float[] values = Samples.Normal(1, 12);
        IndexArray copied;
        using (device.Scope())
        {
            copied = device.PlacesOf(order, [1, 6, 2], segments: null).Positions;
        }

        using DeviceScope scope = device.Scope();
        float[] y = Functions.Reorder(device.Array([1, 6, 2], values), order).ToArray();

        y.Should().Equal(order.Positions.ToArray().SelectMany(p => new[] { values[2 * p], values[(2 * p) + 1] }));
        device.PlacesOf(order, [1, 6, 2], segments: null).Positions.Should().Be(copied);
        device.PlacesOf(order, [5, 6, 1], segments: null).Positions.Should().Be(copied);
    }

    [Fact]
    public void Batches_of_one_length_reverse_by_one_copy()
    {
        using Device device = TestDevice.Open();

        IndexArray copied = device.PlacesOf(ScanOrder.Backward, [1, 7, 2], segments: null).Positions;

        device.PlacesOf(ScanOrder.Backward, [3, 7, 1], segments: null).Positions.Should().Be(copied);
    }

    [Fact]
    public void The_copy_is_freed_with_the_order()
    {
        using Device device = TestDevice.OpenBare();
        IndexArray copied = CopyOfAnOrder(device);
        copied.IsAlive.Should().BeTrue();
        for (int i = 0; i < 20 && copied.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            using DeviceScope scope = device.Scope(); // what finalizers leave is freed when a scope ends
        }

        copied.IsAlive.Should().BeFalse();
    }

    [Fact]
    public void A_copy_that_is_gone_is_made_again()
    {
        using Device device = TestDevice.Open();
        ScanOrder order = ScanOrder.Columns(2, 2);
        IndexArray copied = device.PlacesOf(order, [1, 4, 1], segments: null).Positions;
        device.Release(copied.Storage);

        Functions.Reorder(device.Array([1, 4, 1], [1, 2, 3, 4]), order).ToArray().Should().Equal(1, 3, 2, 4);
    }

    [Fact]
    public void An_order_outlives_its_devices()
    {
        ScanOrder order = ScanOrder.Columns(2, 2);
        for (int i = 0; i < 2; i++)
        {
            using Device device = TestDevice.Open();
            Functions.Reorder(device.Array([1, 4, 1], [1, 2, 3, 4]), order).ToArray().Should().Equal(1, 3, 2, 4);
        }
    }

    /// <summary>Not inlined, so that nothing refers to the order afterwards.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static IndexArray CopyOfAnOrder(Device device)
    {
        using DeviceScope scope = device.Scope();
        return device.PlacesOf(ScanOrder.Random(6, 9), [1, 6, 2], segments: null).Positions;
    }

    private static FunctionCheck Reorder(ScanOrder order, int channels) => new(
        x => Functions.Reorder(x[0], order), ([2, 6, channels], Samples.Normal(2, 2 * 6 * channels)));

    private static FunctionCheck Restore(ScanOrder order, int channels)
    {
        int length = order.OfLength(6).Length;
        return new(
            x => Functions.Restore(x[0], order), ([2, length, channels], Samples.Normal(2, 2 * length * channels)));
    }
}
