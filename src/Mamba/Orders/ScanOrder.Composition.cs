namespace Mamba.Orders;

/// <content>Composition of orders.</content>
public sealed partial class ScanOrder
{
    /// <summary>Concatenates orders over the same tokens, so that each order visits its tokens again.</summary>
    /// <param name="orders">At least one order. All grids have the same length.</param>
    /// <returns>The order; its length is the sum of the lengths.</returns>
    /// <exception cref="ArgumentException">The list is empty, or the grids differ in length.</exception>
    public static ScanOrder Concat(params ReadOnlySpan<ScanOrder> orders)
    {
        int samples = 1;
        RequireOneGrid(orders);
        foreach (ScanOrder order in orders)
        {
            samples = order.SamplesWith(samples);
        }

        List<int> positions = [];
        for (int sample = 0; sample < samples; sample++)
        {
            foreach (ScanOrder order in orders)
            {
                positions.AddRange(order.Of(sample));
            }
        }

        return new([.. positions], orders[0].GridLength, samples);
    }

    /// <summary>Gives each row of a batch its own order, for example one per point cloud.</summary>
    /// <param name="orders">One order per row. All have the same length, and grids of the same length.</param>
    /// <returns>The order.</returns>
    /// <exception cref="ArgumentException">
    /// The list is empty, lengths differ, or an order already has several samples.
    /// </exception>
    public static ScanOrder PerSample(params ReadOnlySpan<ScanOrder> orders)
    {
        RequireOneGrid(orders);
        int[] positions = new int[checked(orders.Length * orders[0].Length)];
        for (int i = 0; i < orders.Length; i++)
        {
            if (orders[i].Length != orders[0].Length || orders[i].Samples != 1)
            {
                throw new ArgumentException(
                    $"Expected orders of one row and of {orders[0].Length} steps; found {orders[i]}.", nameof(orders));
            }

            orders[i].Positions.CopyTo(positions.AsSpan(i * orders[i].Length));
        }

        return new(positions, orders[0].GridLength, orders.Length);
    }

    /// <summary>The same steps in reverse.</summary>
    /// <returns>
    /// The reversed order. <see cref="Forward"/> and <see cref="Backward"/> are each other's reverse.
    /// </returns>
    public ScanOrder Reversed()
    {
        if (!HasLength)
        {
            return this == Forward ? Backward : Forward;
        }

        int[] positions = Positions.ToArray();
        for (int sample = 0; sample < Samples; sample++)
        {
            positions.AsSpan(sample * Length, Length).Reverse();
        }

        return new(positions, GridLength, Samples);
    }

    /// <summary>Composes two orders: visits the steps of this order in another order.</summary>
    /// <param name="next">An order over a grid whose length is the number of steps of this order.</param>
    /// <returns>An order that equals reordering by this one and then by <paramref name="next"/>.</returns>
    /// <exception cref="ArgumentException">
    /// The grid length differs from the number of steps, or the numbers of samples differ.
    /// </exception>
    public ScanOrder Then(ScanOrder next)
    {
        ArgumentNullException.ThrowIfNull(next);
        next = next.OfLength(Length);
        int samples = next.SamplesWith(Samples);
        int[] positions = new int[checked(samples * next.Length)];
        for (int sample = 0; sample < samples; sample++)
        {
            ReadOnlySpan<int> own = Of(sample), steps = next.Of(sample);
            for (int t = 0; t < steps.Length; t++)
            {
                positions[(sample * next.Length) + t] = steps[t] < 0 ? -1 : own[steps[t]];
            }
        }

        return new(positions, GridLength, samples);
    }

    /// <summary>Inserts padding steps, at which class tokens or registers can be added.</summary>
    /// <param name="steps">
    /// The indices of the padding steps in the new order, without repetition. 0 inserts before the first step,
    /// <see cref="Length"/> after the last one.
    /// </param>
    /// <returns>The order, with that many more steps.</returns>
    /// <exception cref="ArgumentException">A step occurs twice or is out of range.</exception>
    public ScanOrder Insert(params ReadOnlySpan<int> steps)
    {
        int length = checked(Length + steps.Length);
        bool[] isPadding = new bool[length];
        foreach (int step in steps)
        {
            if (step < 0 || step >= length || isPadding[step])
            {
                throw new ArgumentException(
                    $"Expected different steps 0 to {length - 1} of the longer order; found {step}" +
                    $"{(step >= 0 && step < length ? " twice" : "")}.",
                    nameof(steps));
            }

            isPadding[step] = true;
        }

        int[] positions = new int[checked(Samples * length)];
        for (int i = 0, next = 0; i < positions.Length; i++)
        {
            positions[i] = isPadding[i % length] ? -1 : Positions[next++];
        }

        return new(positions, GridLength, Samples);
    }

    /// <summary>The positions of one row of a batch.</summary>
    internal ReadOnlySpan<int> Of(int sample) => Positions.Slice(Samples == 1 ? 0 : sample * Length, Length);

    private static void RequireOneGrid(ReadOnlySpan<ScanOrder> orders)
    {
        if (orders.IsEmpty)
        {
            throw new ArgumentException("Expected at least one order; found none.", nameof(orders));
        }

        foreach (ScanOrder order in orders)
        {
            ArgumentNullException.ThrowIfNull(order, nameof(orders));
            if (order.GridLength != orders[0].GridLength)
            {
                throw new ArgumentException(
                    $"Expected orders over {orders[0].GridLength} tokens; found {order}.", nameof(orders));
            }
        }
    }

    /// <summary>The number of samples of the combination of this order with another one.</summary>
    private int SamplesWith(int samples) => samples == 1 || Samples == 1 || samples == Samples
        ? Math.Max(samples, Samples)
        : throw new ArgumentException($"Expected orders of as many samples; found {samples} and {Samples}.");
}
