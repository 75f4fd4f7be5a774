using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// Depthwise convolution of an image, row by row of the output: every channel has its own filter. Lanes hold channels
/// and every sum runs over the taps in order, so an element does not depend on how rows are divided among threads.
/// </summary>
internal static unsafe partial class DepthwiseConvolution2d
{
    /// <summary>Outputs whose gradients are summed before they are added to the filter's.</summary>
    /// <remarks>Few enough that their rows stay in L1 and rounding errors stay small.</remarks>
    private const int ChunkLength = 32;

    /// <summary>The initial value of each weighted sum, and the function applied to it.</summary>
    internal interface IOutput
    {
        static abstract TLanes Begin<TLanes>(float* bias, float* y)
            where TLanes : struct, ILanes<TLanes>;

        static abstract TLanes End<TLanes>(TLanes sum, float* gy)
            where TLanes : struct, ILanes<TLanes>;
    }

    /// <summary>Computes one row of the output.</summary>
    /// <param name="down">The rows of pixels that the row reads.</param>
    /// <param name="across">The pixels of a row that its elements read.</param>
    /// <param name="row">Index of the row.</param>
    /// <param name="filter">The filters, [taps down, taps across, channels].</param>
    /// <param name="x">The pixels of the image.</param>
    /// <param name="gy">The gradient of the row, if <typeparamref name="TOutput"/> reads it.</param>
    /// <param name="y">The row of the output.</param>
    public static void Row<TOutput>(
        in TapLine down, in TapLine across, int row, in ImageFilter filter, Rows x, Rows gy, Rows y)
        where TOutput : struct, IOutput
    {
        (int top, int bottom) = down.TapsInside(row);
        (int insideStart, int insideEnd) = across.Inside;
        nint pixel = (((nint)down.Origin + ((nint)row * down.Next) + (top * down.Step)) * across.Pixels)
            + across.Origin;
        Window window = new(
            filter[down.FirstTap + (top * down.TapStep), across.FirstTap],
            down.TapStep * filter.RowPitch,
            across.TapStep * (nint)filter.Channels,
            x.IsNull ? null : x[pixel],
            (nint)down.Step * across.Pixels * x.Pitch,
            across.Step * x.Pitch,
            across.Next * x.Pitch,
            bottom - top,
            across.Taps);
        for (int place = 0; place < across.Places;)
        {
            bool four = place >= insideStart && place + 4 <= insideEnd;
            Window here;
            if (four)
            {
                here = window.At(place, 0, across.Taps);
            }
            else
            {
                (int first, int last) = across.TapsInside(place);
                here = window.At(place, first, last);
            }

            int at = across.FirstPlace + (place * across.PlaceStep);
            Target target = new(filter.Bias, gy.IsNull ? null : gy[at], y[at], y.Pitch * across.PlaceStep, gy.Pitch);
            int c = 0, end = filter.Channels;
            if (four)
            {
                if (Width.Has512) { c = Four<TOutput, Lanes512>(here, target, c, end); }
                if (Width.Has256) { c = Four<TOutput, Lanes256>(here, target, c, end); }
                if (Width.Has128) { c = Four<TOutput, Lanes128>(here, target, c, end); }
                Four<TOutput, Lane>(here, target, c, end);
                place += 4;
            }
            else
            {
                if (Width.Has512) { c = One<TOutput, Lanes512>(here, target, c, end); }
                if (Width.Has256) { c = One<TOutput, Lanes256>(here, target, c, end); }
                if (Width.Has128) { c = One<TOutput, Lanes128>(here, target, c, end); }
                One<TOutput, Lane>(here, target, c, end);
                place++;
            }
        }
    }

    private static int Four<TOutput, TLanes>(in Window window, in Target target, int c, int end)
        where TOutput : struct, IOutput
        where TLanes : struct, ILanes<TLanes>
    {
        (Window from, Target to) = (window, target);
        for (; c <= end - TLanes.Count; c += TLanes.Count)
        {
            float* bias = to.Bias == null ? null : to.Bias + c, y = to.Y + c, gy = to.Gy + c;
            TLanes sum0 = TOutput.Begin<TLanes>(bias, y), sum1 = TOutput.Begin<TLanes>(bias, y + to.Next);
            TLanes sum2 = TOutput.Begin<TLanes>(bias, y + (2 * to.Next));
            TLanes sum3 = TOutput.Begin<TLanes>(bias, y + (3 * to.Next));
            float* weights = from.Weights + c, pixels = from.Pixels + c;
            for (int row = 0; row < from.RowCount; row++, weights += from.WeightRow, pixels += from.PixelRow)
            {
                Products.AddFour(
                    ref sum0, ref sum1, ref sum2, ref sum3,
                    weights, from.WeightTap, pixels, from.PixelTap, from.Next, from.TapCount);
            }

            TLanes.Store(TOutput.End(sum0, gy), y);
            TLanes.Store(TOutput.End(sum1, gy + to.GyNext), y + to.Next);
            TLanes.Store(TOutput.End(sum2, gy + (2 * to.GyNext)), y + (2 * to.Next));
            TLanes.Store(TOutput.End(sum3, gy + (3 * to.GyNext)), y + (3 * to.Next));
        }

        return c;
    }

    private static int One<TOutput, TLanes>(in Window window, in Target target, int c, int end)
        where TOutput : struct, IOutput
        where TLanes : struct, ILanes<TLanes>
    {
        (Window from, Target to) = (window, target);
        for (; c <= end - TLanes.Count; c += TLanes.Count)
        {
            TLanes sum = TOutput.Begin<TLanes>(to.Bias == null ? null : to.Bias + c, to.Y + c);
            float* weights = from.Weights + c, pixels = from.Pixels + c;
            for (int row = 0; row < from.RowCount; row++, weights += from.WeightRow, pixels += from.PixelRow)
            {
                Products.Add(ref sum, weights, from.WeightTap, pixels, from.PixelTap, from.TapCount);
            }

            TLanes.Store(TOutput.End(sum, to.Gy + c), to.Y + c);
        }

        return c;
    }

    /// <summary><c>f(bias + Σ)</c></summary>
    internal readonly struct Activated<TActivation> : IOutput
        where TActivation : struct, IMap
    {
        public static TLanes Begin<TLanes>(float* bias, float* y)
            where TLanes : struct, ILanes<TLanes> => bias == null ? TLanes.Broadcast(0f) : TLanes.Load(bias);

        public static TLanes End<TLanes>(TLanes sum, float* gy)
            where TLanes : struct, ILanes<TLanes> => TActivation.Apply(sum);
    }

    /// <summary><c>gy·f'(bias + Σ)</c></summary>
    internal readonly struct ThroughActivation<TActivation> : IOutput
        where TActivation : struct, IMap
    {
        public static TLanes Begin<TLanes>(float* bias, float* y)
            where TLanes : struct, ILanes<TLanes> => bias == null ? TLanes.Broadcast(0f) : TLanes.Load(bias);

        public static TLanes End<TLanes>(TLanes sum, float* gy)
            where TLanes : struct, ILanes<TLanes> => TLanes.Load(gy) * TActivation.Derivative(sum);
    }

    /// <summary><c>y + Σ</c></summary>
    internal readonly struct Added : IOutput
    {
        public static TLanes Begin<TLanes>(float* bias, float* y)
            where TLanes : struct, ILanes<TLanes> => TLanes.Load(y);

        public static TLanes End<TLanes>(TLanes sum, float* gy)
            where TLanes : struct, ILanes<TLanes> => sum;
    }

    /// <summary>The weights and pixels of one sum, and the distances to the next ones.</summary>
    private readonly struct Window(
        float* weights,
        nint weightRow,
        nint weightTap,
        float* pixels,
        nint pixelRow,
        nint pixelTap,
        nint next,
        int rowCount,
        int tapCount)
    {
        public float* Weights { get; } = weights;

        public nint WeightRow { get; } = weightRow;

        public nint WeightTap { get; } = weightTap;

        public float* Pixels { get; } = pixels;

        public nint PixelRow { get; } = pixelRow;

        public nint PixelTap { get; } = pixelTap;

        /// <summary>Floats from the pixels of one output to those of the next.</summary>
        public nint Next { get; } = next;

        public int RowCount { get; } = rowCount;

        public int TapCount { get; } = tapCount;

        /// <summary>The window of another output of the row, with some of the taps.</summary>
        public Window At(int place, int first, int last) => new(
            Weights + (first * WeightTap),
            WeightRow,
            WeightTap,
            Pixels + (place * Next) + (first * PixelTap),
            PixelRow,
            PixelTap,
            Next,
            RowCount,
            last - first);
    }

    /// <summary>The output, and the distance to the next one.</summary>
    private readonly struct Target(float* bias, float* gy, float* y, nint next, nint gyNext)
    {
        public float* Bias { get; } = bias;

        public float* Gy { get; } = gy;

        public float* Y { get; } = y;

        public nint Next { get; } = next;

        public nint GyNext { get; } = gyNext;
    }
}

/// <summary>The filters of a depthwise convolution over images.</summary>
/// <param name="weight">w, [taps down, taps across, channels].</param>
/// <param name="bias">[channels], or null.</param>
/// <param name="tapsAcross">Taps of a row.</param>
/// <param name="channels">Number of channels.</param>
internal readonly unsafe struct ImageFilter(float* weight, float* bias, int tapsAcross, int channels)
{
    public float* Bias { get; } = bias;

    public int Channels { get; } = channels;

    /// <summary>Floats from one row of taps to the next.</summary>
    public nint RowPitch { get; } = (nint)tapsAcross * channels;

    public float* this[int down, int across] => weight + (down * RowPitch) + ((nint)across * Channels);
}
