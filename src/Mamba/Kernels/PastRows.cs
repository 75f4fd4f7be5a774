using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// <paramref name="count"/> rows of the past, followed by rows of the present.
/// </summary>
internal readonly unsafe struct PastRows(Rows past, int count, Rows present)
{
    /// <summary>Row <paramref name="index"/>; null if its part is absent.</summary>
    public float* this[int index]
    {
        get
        {
            Rows rows = index < count ? past : present;
            return rows.IsNull ? null : rows[index < count ? index : index - count];
        }
    }
}
