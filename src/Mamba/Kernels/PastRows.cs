using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// Rows of which the first <paramref name="count"/> come from the past and the others from the present.
/// </summary>
internal readonly unsafe struct PastRows(Rows past, int count, Rows present)
{
    /// <summary>Row <paramref name="index"/>; null where its part is absent.</summary>
    public float* this[int index]
    {
        get
        {
            Rows rows = index < count ? past : present;
            return rows.IsNull ? null : rows[index < count ? index : index - count];
        }
    }
}
