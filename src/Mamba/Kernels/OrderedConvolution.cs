using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// The depthwise convolution of a sequence whose tokens are visited in an order. All arrays keep the order of the
/// tokens. The rows of a block of steps and their neighbours are gathered into scratch memory, convolved and
/// scattered back.
/// </summary>
internal static unsafe class OrderedConvolution
{
    /// <summary>Floats of a block of steps, few enough for the cache.</summary>
    private const int CachedLength = 16384;

    /// <summary>Floats of scratch memory for both passes.</summary>
    public static int ScratchLength(Filter filter) =>
        (3 * (StepsAtOnce(filter) + (2 * (filter.Width - 1))) * filter.Channels)
        + DepthwiseConvolution.ScratchLength(filter);

    /// <summary>Computes y for <paramref name="count"/> steps from <paramref name="t"/> on.</summary>
    /// <param name="filter">The filters.</param>
    /// <param name="x">The sequence, from its first row on.</param>
    /// <param name="order">The token of each step.</param>
    /// <param name="t">The first step.</param>
    /// <param name="count">Number of steps.</param>
    /// <param name="y">The output, from the sequence's first row on.</param>
    /// <param name="scratch"><see cref="ScratchLength"/> floats.</param>
    public static void Forward<TActivation>(
        Filter filter, SequenceRows x, TokenOrder order, int t, int count, Rows y, float* scratch)
        where TActivation : struct, IMap
    {
        int channels = filter.Channels, most = StepsAtOnce(filter);
        for (int end = t + count; t < end; t += most)
        {
            int steps = Math.Min(most, end - t);
            (int first, int last) = (Math.Max(0, t - filter.Left), Math.Min(x.Length, t + steps + Right(filter)));
            Rows inputs = new(scratch, channels), outputs = new(inputs[last - first], channels);
            TokenRows.Gather(x.Tokens, order, first, last - first, channels, inputs);
            DepthwiseConvolution.Forward<TActivation>(
                filter, new(inputs.At(-first, 0), x.Length, x.Window), t, steps, outputs);
            TokenRows.Put(outputs, order, t, steps, channels, y);
        }
    }

    /// <summary>Computes the gradients of <paramref name="count"/> steps from <paramref name="t"/> on.</summary>
    /// <param name="filter">The filters.</param>
    /// <param name="x">The sequence, from its first row on.</param>
    /// <param name="order">The token of each step.</param>
    /// <param name="t">The first step.</param>
    /// <param name="count">Number of steps.</param>
    /// <param name="gy">The gradient of y, from the sequence's first row on.</param>
    /// <param name="gx">The gradient of the sequence; added to.</param>
    /// <param name="sums">The gradients of the weights and the bias; added to.</param>
    /// <param name="scratch"><see cref="ScratchLength"/> floats.</param>
    public static void Backward<TActivation>(
        Filter filter,
        SequenceRows x,
        TokenOrder order,
        int t,
        int count,
        Rows gy,
        SequenceRows gx,
        Rows sums,
        float* scratch)
        where TActivation : struct, IMap
    {
        int channels = filter.Channels, most = StepsAtOnce(filter), reach = filter.Width - 1;
        for (int end = t + count; t < end; t += most)
        {
            // The gradient of a step's input needs outputs up to a filter away, and those need their inputs.
            int steps = Math.Min(most, end - t);
            (int first, int last) = (Math.Max(0, t - reach), Math.Min(x.Length, t + steps + reach));
            int rows = last - first;
            Rows inputs = new(scratch, channels), ofOutputs = new(inputs[rows], channels);
            Rows ofInputs = gx.Tokens.IsNull ? default : new(ofOutputs[rows], channels);
            TokenRows.Gather(x.Tokens, order, first, rows, channels, inputs);
            TokenRows.Gather(gy, order, first, rows, channels, ofOutputs);
            TokenRows.Clear(steps, channels, ofInputs);
            DepthwiseConvolution.Backward<TActivation>(
                filter,
                new(inputs.At(-first, 0), x.Length, x.Window),
                t,
                steps,
                ofOutputs.At(-first, 0),
                new(ofInputs.At(-t, 0), x.Length, gx.Window),
                sums,
                ofOutputs[2 * rows]);
            TokenRows.Add(ofInputs, order, t, steps, channels, gx.Tokens);
        }
    }

    private static int Right(Filter filter) => filter.Width - 1 - filter.Left;

    private static int StepsAtOnce(Filter filter) => Math.Max(16, CachedLength / Math.Max(1, filter.Channels));
}
