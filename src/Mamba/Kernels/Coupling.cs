using System.Runtime.CompilerServices;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>B or C of a scan, or its gradient: a value for each token, or one for all tokens.</summary>
internal readonly unsafe struct Coupling
{
    private readonly float* _origin;
    private readonly nint _channelPitch;

    /// <summary>B or C for <see cref="PerToken"/>: a row for each token, a number for each state.</summary>
    public Coupling(Rows tokens, int parts)
    {
        _origin = tokens.Origin;
        (TokenPitch, StatePitch, ImaginaryOffset) = (tokens.Pitch, parts, 1);
    }

    /// <summary>B or C for <see cref="PerChannel"/>: a row for each state, a number for each channel.</summary>
    public Coupling(Rows states, nint imaginaryOffset)
    {
        _origin = states.Origin;
        (StatePitch, ImaginaryOffset, _channelPitch) = (states.Pitch, imaginaryOffset, 1);
    }

    private Coupling(in Coupling other, float* origin)
    {
        this = other;
        _origin = origin;
    }

    public nint TokenPitch { get; }

    public nint StatePitch { get; }

    /// <summary>Floats from a real part to its imaginary part.</summary>
    public nint ImaginaryOffset { get; }

    /// <summary>Whether the values differ by token, for <see cref="PerToken"/>.</summary>
    public bool IsPerToken => _channelPitch == 0;

    /// <summary>The rows of tokens, if <see cref="IsPerToken"/>.</summary>
    public Rows Tokens => new(_origin, TokenPitch);

    public float* this[nint token, int state] => _origin + (token * TokenPitch) + (state * StatePitch);

    /// <summary>The same array from a token, a state and a channel on.</summary>
    public Coupling At(nint token, nint state, int channel) =>
        new(this, _origin + (token * TokenPitch) + (state * StatePitch) + (channel * _channelPitch));

    /// <summary>Clears some tokens, or some channels.</summary>
    public void Clear(nint tokens, int channels, int stateRows)
    {
        (nint rows, nint pitch, int width) =
            IsPerToken ? (tokens, TokenPitch, stateRows) : (stateRows, StatePitch, channels);
        for (nint row = 0; row < rows; row++)
        {
            new Span<float>(_origin + (row * pitch), width).Clear();
        }
    }
}

/// <summary>Loads B or C for lanes of channels, and adds to its gradient.</summary>
internal unsafe interface ICoupling
{
    static abstract TLanes Load<TLanes>(float* source)
        where TLanes : struct, ILanes<TLanes>;

    /// <summary>Adds the gradient of one state.</summary>
    static abstract void Add<TLanes>(TLanes gradient, float* target)
        where TLanes : struct, ILanes<TLanes>;

    /// <summary>Adds the gradients of four states, <paramref name="pitch"/> floats apart if states are rows.</summary>
    static abstract void Add<TLanes>(TLanes a, TLanes b, TLanes c, TLanes d, float* target, nint pitch)
        where TLanes : struct, ILanes<TLanes>;
}

/// <summary>B or C of a token: one number for all channels of a group.</summary>
internal readonly unsafe struct PerToken : ICoupling
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(float* source)
        where TLanes : struct, ILanes<TLanes> => TLanes.Broadcast(*source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add<TLanes>(TLanes gradient, float* target)
        where TLanes : struct, ILanes<TLanes> => *target += TLanes.Sum(gradient);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add<TLanes>(TLanes a, TLanes b, TLanes c, TLanes d, float* target, nint pitch)
        where TLanes : struct, ILanes<TLanes> => TLanes.AddSums(a, b, c, d, target);
}

/// <summary>B or C of a channel: one number for all tokens.</summary>
internal readonly unsafe struct PerChannel : ICoupling
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TLanes Load<TLanes>(float* source)
        where TLanes : struct, ILanes<TLanes> => TLanes.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add<TLanes>(TLanes gradient, float* target)
        where TLanes : struct, ILanes<TLanes> => TLanes.Store(TLanes.Load(target) + gradient, target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add<TLanes>(TLanes a, TLanes b, TLanes c, TLanes d, float* target, nint pitch)
        where TLanes : struct, ILanes<TLanes>
    {
        Add(a, target);
        Add(b, target + pitch);
        Add(c, target + (2 * pitch));
        Add(d, target + (3 * pitch));
    }
}
