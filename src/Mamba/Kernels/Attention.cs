using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Attention of one head of one sequence, one query at a time.</summary>
/// <remarks>
/// Vaswani et al., arXiv:1706.03762, eq. 1. Several query heads may share the keys (Ainslie et al.,
/// arXiv:2305.13245). Rows 0..past-1 of the keys come from the past, the others from the sequence itself.
/// </remarks>
internal static unsafe class Attention
{
    /// <summary>Computes the output of every query.</summary>
    /// <param name="sizes">Lengths and width.</param>
    /// <param name="q">Queries, [length, headDim].</param>
    /// <param name="k">Keys.</param>
    /// <param name="v">Values.</param>
    /// <param name="mask">Terms that are added to the scores, [length, keys]; may be null.</param>
    /// <param name="y">Outputs, [length, headDim].</param>
    /// <param name="weights">Scratch, [past + keys].</param>
    public static void Forward(
        AttentionSizes sizes, Rows q, PastRows k, PastRows v, Rows mask, Rows y, float* weights)
    {
        for (int t = 0; t < sizes.Length; t++)
        {
            (int first, int end) = (sizes.First(t), sizes.End(t));
            Weigh(sizes, q[t], k, MaskOf(mask, t), first, end, weights);
            new Span<float>(y[t], sizes.HeadDim).Clear();
            for (int j = first; j < end; j++)
            {
                Elementwise.AddScaled(v[j], weights[j], y[t], sizes.HeadDim);
            }
        }
    }

    /// <summary>Adds to the gradients. Computes the attention weights again.</summary>
    /// <param name="sizes">Lengths and width.</param>
    /// <param name="q">Queries.</param>
    /// <param name="k">Keys.</param>
    /// <param name="v">Values.</param>
    /// <param name="mask">Terms that are added to the scores; may be null.</param>
    /// <param name="gy">Gradient of the outputs.</param>
    /// <param name="gq">Gradient of the queries; may be null.</param>
    /// <param name="gk">Gradient of the keys; either part may be null.</param>
    /// <param name="gv">Gradient of the values; either part may be null.</param>
    /// <param name="weights">Scratch, [2·(past + keys)].</param>
    public static void Backward(
        AttentionSizes sizes,
        Rows q,
        PastRows k,
        PastRows v,
        Rows mask,
        Rows gy,
        Rows gq,
        PastRows gk,
        PastRows gv,
        float* weights)
    {
        int dim = sizes.HeadDim;
        float* gradients = weights + sizes.Past + sizes.Keys;
        for (int t = 0; t < sizes.Length; t++)
        {
            (int first, int end) = (sizes.First(t), sizes.End(t));
            OfScores(sizes, q, k, v, mask, gy, t, weights, gradients);
            for (int j = first; j < end; j++)
            {
                float score = gradients[j] * sizes.Scale;
                AddTo(gq.IsNull ? null : gq[t], k[j], score, dim);
                AddTo(gk[j], q[t], score, dim);
                AddTo(gv[j], gy[t], weights[j], dim);
            }
        }
    }

    /// <summary>Adds to the gradient of the mask, for one query.</summary>
    /// <param name="sizes">Lengths and width.</param>
    /// <param name="q">Queries.</param>
    /// <param name="k">Keys.</param>
    /// <param name="v">Values.</param>
    /// <param name="mask">Terms that are added to the scores.</param>
    /// <param name="gy">Gradient of the outputs.</param>
    /// <param name="query">The query.</param>
    /// <param name="gMask">Gradient of the query's row of the mask.</param>
    /// <param name="weights">Scratch, [2·keys].</param>
    public static void MaskBackward(
        AttentionSizes sizes,
        Rows q,
        PastRows k,
        PastRows v,
        Rows mask,
        Rows gy,
        int query,
        float* gMask,
        float* weights)
    {
        (int first, int end) = (sizes.First(query), sizes.End(query));
        float* gradients = weights + sizes.Keys;
        OfScores(sizes, q, k, v, mask, gy, query, weights, gradients);
        Elementwise.AddScaled(gradients + first, 1f, gMask + first, end - first);
    }

    /// <summary>
    /// Computes a query's attention weights p and the gradients of its scores, <c>∂s_j = p_j·(∂p_j - Σ p·∂p)</c>.
    /// </summary>
    private static void OfScores(
        AttentionSizes sizes,
        Rows q,
        PastRows k,
        PastRows v,
        Rows mask,
        Rows gy,
        int query,
        float* weights,
        float* gradients)
    {
        (int first, int end) = (sizes.First(query), sizes.End(query));
        Weigh(sizes, q[query], k, MaskOf(mask, query), first, end, weights);
        float mean = 0;
        for (int j = first; j < end; j++)
        {
            gradients[j] = RowMath.Dot(gy[query], v[j], sizes.HeadDim);
            mean += weights[j] * gradients[j];
        }

        for (int j = first; j < end; j++)
        {
            gradients[j] = weights[j] * (gradients[j] - mean);
        }
    }

    private static float* MaskOf(Rows mask, int query) => mask.IsNull ? null : mask[query];

    /// <summary>Computes <c>softmax(q·k / √P + mask)</c> over the keys that a query sees.</summary>
    private static void Weigh(
        AttentionSizes sizes, float* q, PastRows k, float* mask, int first, int end, float* weights)
    {
        for (int j = first; j < end; j++)
        {
            weights[j] = RowMath.Dot(q, k[j], sizes.HeadDim) * sizes.Scale;
        }

        if (mask != null)
        {
            Elementwise.AddScaled(mask + first, 1f, weights + first, end - first);

            // e^(-∞ + ∞) is NaN: a query whose keys are all hidden has no weights.
            if (!new ReadOnlySpan<float>(weights + first, end - first).ContainsAnyExcept(float.NegativeInfinity))
            {
                new Span<float>(weights + first, end - first).Clear();
                return;
            }
        }

        Kernels.Softmax.Forward(weights + first, weights + first, end - first);
    }

    private static void AddTo(float* target, float* source, float scale, int length)
    {
        if (target != null)
        {
            Elementwise.AddScaled(source, scale, target, length);
        }
    }
}
