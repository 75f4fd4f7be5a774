using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>The recurrent form of an SSD for one head, token by token: for short sequences and single steps.</summary>
/// <remarks>Dao and Gu, arXiv:2405.21060, section 2. A row of h is one channel; states are in lanes.</remarks>
internal static unsafe class SsdSequential
{
    /// <summary>
    /// Prefetch distance in floats, into the states of the next channels or head. The states of several sequences come
    /// from memory, and are larger than the weights.
    /// </summary>
    private const int Ahead = 1024;

    /// <summary>Computes the output and updates the state.</summary>
    /// <param name="head">The head's inputs, from the first token on.</param>
    /// <param name="tokens">Number of tokens.</param>
    /// <param name="h">The state, read and written: [headDim, states].</param>
    /// <param name="y">Receives the output, from the first token on.</param>
    public static void Run(in SsdOperands head, int tokens, float* h, Rows y)
    {
        for (int t = 0; t < tokens; t++)
        {
            float delta = head.DeltaAt(t);
            float decay = LaneMath.Exp(new Lane(head.LogDecayAt(t, delta))).Value;
            float* x = head.X[t], b = head.B[t], c = head.C[t], target = y[t];
            int channel = 0;
            for (; channel <= head.HeadDim - 4; channel += 4)
            {
                Step<SmallTile.Four>(h, channel, decay, delta, x, b, c, head.States, target);
            }

            for (; channel < head.HeadDim; channel++)
            {
                Step<SmallTile.One>(h, channel, decay, delta, x, b, c, head.States, target);
            }

            head.AddSkip(x, target);
            if (!head.DiagonalScale.IsNull)
            {
                float change = *head.DiagonalScale[t] - delta;
                Elementwise.AddScaled(x, change * RowMath.Dot(b, c, head.States), target, head.HeadDim);
            }

            if (!head.Z.IsNull)
            {
                Zip.Run<Elementwise.Gate>(target, head.Z[t], target, head.HeadDim);
            }
        }
    }

    /// <summary>Computes <c>h = decay·h + Δ·x ⊗ B</c> and <c>y = h·C</c> for one channel or four.</summary>
    /// <remarks>Four channels share the loads of B and C, and their lane sums are independent.</remarks>
    private static void Step<TChannels>(
        float* h, nint channel, float decay, float delta, float* x, float* b, float* c, nint states, float* y)
        where TChannels : struct, SmallTile.ICount
    {
        h += channel * states;
        x += channel;
        y += channel;
        new Span<float>(y, TChannels.Value).Clear();
        nint i = 0;
        if (Width.Has512) { i = Step<Lanes512, TChannels>(h, decay, delta, x, b, c, i, states, y); }
        if (Width.Has256) { i = Step<Lanes256, TChannels>(h, decay, delta, x, b, c, i, states, y); }
        if (Width.Has128) { i = Step<Lanes128, TChannels>(h, decay, delta, x, b, c, i, states, y); }
        Step<Lane, TChannels>(h, decay, delta, x, b, c, i, states, y);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nint Step<TLanes, TChannels>(
        float* h, float decay, float delta, float* x, float* b, float* c, nint i, nint states, float* y)
        where TLanes : struct, ILanes<TLanes>
        where TChannels : struct, SmallTile.ICount
    {
        if (i > states - TLanes.Count)
        {
            return i;
        }

        bool hasFour = TChannels.Value == 4;
        TLanes kept = TLanes.Broadcast(decay), x0 = TLanes.Broadcast(delta * x[0]), y0 = TLanes.Broadcast(0f);
        TLanes x1 = hasFour ? TLanes.Broadcast(delta * x[1]) : default, y1 = TLanes.Broadcast(0f);
        TLanes x2 = hasFour ? TLanes.Broadcast(delta * x[2]) : default, y2 = TLanes.Broadcast(0f);
        TLanes x3 = hasFour ? TLanes.Broadcast(delta * x[3]) : default, y3 = TLanes.Broadcast(0f);
        for (; i <= states - TLanes.Count; i += TLanes.Count)
        {
            TLanes bi = TLanes.Load(b + i), ci = TLanes.Load(c + i);
            Move(h + i, kept, x0, bi, ci, ref y0);
            if (hasFour)
            {
                Move(h + i + states, kept, x1, bi, ci, ref y1);
                Move(h + i + (2 * states), kept, x2, bi, ci, ref y2);
                Move(h + i + (3 * states), kept, x3, bi, ci, ref y3);
            }
        }

        y[0] += TLanes.Sum(y0);
        if (hasFour)
        {
            y[1] += TLanes.Sum(y1);
            y[2] += TLanes.Sum(y2);
            y[3] += TLanes.Sum(y3);
        }

        return i;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Move<TLanes>(float* h, TLanes decay, TLanes x, TLanes b, TLanes c, ref TLanes y)
        where TLanes : struct, ILanes<TLanes>
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(h + Ahead);
        }

        TLanes state = TLanes.MultiplyAdd(x, b, decay * TLanes.Load(h));
        TLanes.Store(state, h);
        y = TLanes.MultiplyAdd(c, state, y);
    }
}
