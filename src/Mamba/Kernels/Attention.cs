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
    /// <param name="y">Outputs, [length, headDim].</param>
    /// <param name="weights">Scratch, [past + keys].</param>
    public static void Forward(AttentionSizes sizes, Rows q, PastRows k, PastRows v, Rows y, float* weights)
    {
        for (int t = 0; t < sizes.Length; t++)
        {
            (int first, int end) = (sizes.First(t), sizes.End(t));
            Weigh(sizes, q[t], k, first, end, weights);
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
            Weigh(sizes, q[t], k, first, end, weights);
            float mean = 0;
            for (int j = first; j < end; j++)
            {
                gradients[j] = RowMath.Dot(gy[t], v[j], dim);
                mean += weights[j] * gradients[j];
            }

            for (int j = first; j < end; j++)
            {
                // ∂s_j = p_j·(∂p_j - Σ p·∂p)
                float score = weights[j] * (gradients[j] - mean) * sizes.Scale;
                AddTo(gq.IsNull ? null : gq[t], k[j], score, dim);
                AddTo(gk[j], q[t], score, dim);
                AddTo(gv[j], gy[t], weights[j], dim);
            }
        }
    }

    /// <summary>Computes <c>softmax(q·k / √P)</c> over the keys that a query sees.</summary>
    private static void Weigh(AttentionSizes sizes, float* q, PastRows k, int first, int end, float* weights)
    {
        for (int j = first; j < end; j++)
        {
            weights[j] = RowMath.Dot(q, k[j], sizes.HeadDim) * sizes.Scale;
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
