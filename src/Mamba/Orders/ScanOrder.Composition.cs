namespace Mamba.Orders;

/// <content>Orders made of orders.</content>
public sealed partial class ScanOrder
{
    /// <summary>Puts orders of the same tokens behind each other: every token is visited by each.</summary>
    /// <param name="orders">At least one, all over grids of one length.</param>
    /// <returns>The order; its length is that of all together.</returns>
    /// <exception cref="ArgumentException">There are none, or the grids differ.</exception>
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

    /// <summary>Gives every row of a batch an order of its own, such as that of its points.</summary>
    /// <param name="orders">One for each row: all of one length, over grids of one length.</param>
    /// <returns>The order.</returns>
    /// <exception cref="ArgumentException">There are none, lengths differ, or one is of several rows.</exception>
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

    /// <summary>The same steps from the last to the first.</summary>
    /// <returns>The order; <see cref="Backward"/> of <see cref="Forward"/>, and the other way round.</returns>
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

    /// <summary>Visits the steps of this order in another order.</summary>
    /// <param name="next">An order over as many tokens as this one has steps.</param>
    /// <returns>The order: to reorder by it is to reorder by this one, then by <paramref name="next"/>.</returns>
    /// <exception cref="ArgumentException">The numbers of steps and tokens, or of samples, differ.</exception>
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

    /// <summary>Inserts steps of padding, to which class tokens or registers are added.</summary>
    /// <param name="steps">
    /// The steps of the new order that are padding, each once: 0 is the first, <see cref="Length"/> one behind the end.
    /// </param>
    /// <returns>The order, longer by as many steps.</returns>
    /// <exception cref="ArgumentException">A step comes twice, or lies beyond the end.</exception>
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

    /// <summary>Rows that have orders of their own where this order is combined with another.</summary>
    private int SamplesWith(int samples) => samples == 1 || Samples == 1 || samples == Samples
        ? Math.Max(samples, Samples)
        : throw new ArgumentException($"Expected orders of as many samples; found {samples} and {Samples}.");
}
