using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>The recurrent form of an SSD for one head, token by token: for short sequences and single steps.</summary>
/// <remarks>Dao and Gu, arXiv:2405.21060, section 2. A row of h is one channel; the states stand in lanes.</remarks>
internal static unsafe class SsdSequential
{
    /// <summary>Computes the output, and moves the state on.</summary>
    /// <param name="head">The head's inputs, from the first token on.</param>
    /// <param name="tokens">Number of tokens.</param>
    /// <param name="h">The state, read and written: [headDim, states].</param>
    /// <param name="y">Becomes the output, from the first token on.</param>
    public static void Run(in SsdOperands head, int tokens, float* h, Rows y)
    {
        for (int t = 0; t < tokens; t++)
        {
            float delta = head.DeltaAt(t);
            float decay = LaneMath.Exp(new Lane(Math.Min(delta * *head.A, 0f))).Value;
            float* x = head.X[t], b = head.B[t], c = head.C[t], target = y[t];
            for (int channel = 0; channel < head.HeadDim; channel++)
            {
                target[channel] = Step(h + ((nint)channel * head.States), decay, delta * x[channel], b, c, head.States);
            }

            head.AddSkip(x, target);
            if (!head.Z.IsNull)
            {
                Zip.Run<Elementwise.Gate>(target, head.Z[t], target, head.HeadDim);
            }
        }
    }

    /// <summary>Computes <c>h = decay·h + input·B</c> for one channel, and returns <c>C·h</c>.</summary>
    private static float Step(float* h, float decay, float input, float* b, float* c, nint states)
    {
        nint i = 0;
        float y = 0;
        if (Width.Has512) { i = Step<Lanes512>(h, decay, input, b, c, i, states, ref y); }
        if (Width.Has256) { i = Step<Lanes256>(h, decay, input, b, c, i, states, ref y); }
        if (Width.Has128) { i = Step<Lanes128>(h, decay, input, b, c, i, states, ref y); }
        Step<Lane>(h, decay, input, b, c, i, states, ref y);
        return y;
    }

    private static nint Step<TLanes>(
        float* h, float decay, float input, float* b, float* c, nint i, nint states, ref float y)
        where TLanes : struct, ILanes<TLanes>
    {
        if (i > states - TLanes.Count)
        {
            return i;
        }

        TLanes kept = TLanes.Broadcast(decay), added = TLanes.Broadcast(input), sum = TLanes.Broadcast(0f);
        for (; i <= states - TLanes.Count; i += TLanes.Count)
        {
            TLanes state = TLanes.MultiplyAdd(added, TLanes.Load(b + i), kept * TLanes.Load(h + i));
            TLanes.Store(state, h + i);
            sum = TLanes.MultiplyAdd(TLanes.Load(c + i), state, sum);
        }

        y += TLanes.Sum(sum);
        return i;
    }
}
