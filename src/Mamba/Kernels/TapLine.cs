namespace Mamba.Kernels;

/// <summary>
/// The pixels of one axis that the taps of a filter read: place m reads pixel <c>Origin + m·Next + t·Step</c> at tap t,
/// and zero outside the axis.
/// </summary>
internal readonly record struct TapLine
{
    /// <summary>The pixel that place 0 reads at tap 0; may be negative.</summary>
    public required int Origin { get; init; }

    /// <summary>Pixels from one place to the next.</summary>
    public required int Next { get; init; }

    /// <summary>Pixels from one tap to the next.</summary>
    public required int Step { get; init; }

    /// <summary>Number of taps.</summary>
    public required int Taps { get; init; }

    /// <summary>The filter's row at tap 0.</summary>
    public required int FirstTap { get; init; }

    /// <summary>Rows of the filter from one tap to the next; negative if they are read in reverse.</summary>
    public required int TapStep { get; init; }

    /// <summary>Number of pixels that are read.</summary>
    public required int Pixels { get; init; }

    /// <summary>Number of places.</summary>
    public required int Places { get; init; }

    /// <summary>The pixel of the result at place 0.</summary>
    public required int FirstPlace { get; init; }

    /// <summary>Pixels of the result from one place to the next.</summary>
    public required int PlaceStep { get; init; }

    /// <summary>The places at which all taps read pixels.</summary>
    public (int Start, int End) Inside
    {
        get
        {
            int start = Math.Min(Ceiling(-Origin, Next), Places);
            int end = Math.Min(Ceiling(Pixels - Origin - ((Taps - 1) * Step), Next), Places);
            return (start, Math.Max(start, end));
        }
    }

    /// <summary>The taps of a convolution: one place for every <paramref name="stride"/> pixels.</summary>
    public static TapLine Forward(int pixels, int places, int taps, int before, int stride, int dilation) => new()
    {
        Origin = -before,
        Next = stride,
        Step = dilation,
        Taps = taps,
        FirstTap = 0,
        TapStep = 1,
        Pixels = pixels,
        Places = places,
        FirstPlace = 0,
        PlaceStep = 1,
    };

    /// <summary>
    /// The taps of the backward pass, from the places of this convolution to the pixels phase, phase + stride, …: as
    /// <c>pixel = Next·m + Step·t + Origin</c>, a pixel uses only every few taps.
    /// </summary>
    public TapLine Backward(int phase)
    {
        // The taps that a pixel uses lie Next / gcd apart; in reverse order of taps, their places ascend.
        int apart = Next / GreatestDivisor(Next, Step), first = 0, distance = phase - Origin;
        while (first < Taps && (distance - (first * Step)) % Next != 0)
        {
            first++;
        }

        int taps = first < Taps ? ((Taps - 1 - first) / apart) + 1 : 0, last = first + ((taps - 1) * apart);
        return new()
        {
            Origin = (distance - (last * Step)) / Next,
            Next = 1,
            Step = apart * Step / Next,
            Taps = taps,
            FirstTap = last,
            TapStep = -apart,
            Pixels = Places,
            Places = Ceiling(Pixels - phase, Next),
            FirstPlace = phase,
            PlaceStep = Next,
        };
    }

    /// <summary>The taps that read pixels at a place.</summary>
    public (int First, int Last) TapsInside(int place)
    {
        int pixel = Origin + (place * Next), first = Math.Min(Ceiling(-pixel, Step), Taps);
        return (first, Math.Max(first, Math.Min(Ceiling(Pixels - pixel, Step), Taps)));
    }

    /// <summary>The places at which a tap reads pixels.</summary>
    public (int First, int Last) PlacesInside(int tap)
    {
        int pixel = Origin + (tap * Step), first = Math.Min(Ceiling(-pixel, Next), Places);
        return (first, Math.Max(first, Math.Min(Ceiling(Pixels - pixel, Next), Places)));
    }

    /// <summary>⌈a/b⌉, at least 0.</summary>
    private static int Ceiling(int a, int b) => a <= 0 ? 0 : ((a - 1) / b) + 1;

    private static int GreatestDivisor(int a, int b) => b == 0 ? a : GreatestDivisor(b, a % b);
}
