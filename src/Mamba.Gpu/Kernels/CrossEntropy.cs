using ILGPU;
using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// A row's maximum m, <c>Σ e^(x - m)</c> and the target's logit, in one pass over a slice of the row; they are merged
/// with those of the preceding slices.
/// </summary>
/// <param name="rows">The rows of the slice.</param>
/// <param name="logits">x.</param>
/// <param name="firstClass">The class of the first column; 0 starts new statistics.</param>
/// <param name="targets">The class of each row.</param>
/// <param name="ignoreIndex">The target of ignored rows, which are not read.</param>
/// <param name="statistics">Maximum, sum and target's logit of each row.</param>
internal readonly struct LogitStatisticsKernel(
    NormRows rows, GpuRows logits, int firstClass, ArrayView<int> targets, int ignoreIndex, GpuRows statistics)
    : IKernel
{
    public void Run()
    {
        long row = rows.Row(0), end = rows.End(row);
        int target = end > 0 ? targets[row] : ignoreIndex;
        long counted = target == ignoreIndex ? 0 : end;
        float largest = Exponentials.Lowest, sum = 0f;
        for (long column = rows.Column; column < counted; column += NormRows.ColumnStep)
        {
            Quad x = logits.LoadQuad(row, column, end).Take(end - column, float.NegativeInfinity);
            float before = largest;
            largest = Exponentials.Larger(largest, x.Largest);
            sum = (sum * Exponentials.Of(before, largest)) + Exponentials.Of(x, largest).Sum;
        }

        float common = RowSum.Max(largest);
        sum = RowSum.Sum(sum * Exponentials.Of(largest, common));
        if (Group.IdxX == 0 && counted > 0)
        {
            if (firstClass > 0)
            {
                float before = statistics.Load(row, 0), both = Exponentials.Larger(before, common);
                sum = (statistics.Load(row, 1) * Exponentials.Of(before, both)) + (sum * Exponentials.Of(common, both));
                common = both;
            }

            statistics.Store(row, 0, common);
            statistics.Store(row, 1, sum);
            long at = target - firstClass;
            if (at >= 0 && at < end)
            {
                statistics.Store(row, 2, logits.Load(row, at));
            }
        }
    }
}

/// <summary>The loss of each row, <c>log Σ e^(x - m) + m - x[target]</c>; 0 for ignored rows.</summary>
/// <param name="count">Number of rows.</param>
/// <param name="targets">The class of each row.</param>
/// <param name="ignoreIndex">The target of ignored rows.</param>
/// <param name="statistics">Maximum, sum and target's logit of each row.</param>
/// <param name="losses">One row with the losses of all rows.</param>
internal readonly struct RowLossKernel(
    int count, ArrayView<int> targets, int ignoreIndex, GpuRows statistics, GpuRows losses)
    : IKernel
{
    private const float Ln2Upper = 0.693359375f;
    private const float Ln2Lower = -2.12194440e-4f;

    public void Run()
    {
        long row = Grid.GlobalIndex.X;
        if (row < count)
        {
            losses.Store(0, row, targets[row] == ignoreIndex
                ? 0f
                : Log(statistics.Load(row, 1)) + (statistics.Load(row, 0) - statistics.Load(row, 2)));
        }
    }

    /// <summary>The logarithm of a number from 1 on, accurate to the last digit.</summary>
    private static float Log(float x)
    {
        if (float.IsNaN(x) || x < 1f)
        {
            return float.NaN; // the sum is below 1 only if all logits of the row are -∞
        }

        uint bits = Interop.FloatAsInt(x);
        float exponent = (int)(bits >> 23) - 127;
        float fraction = Interop.IntAsFloat((bits & 0x7FFFFFu) | 0x3F800000u) - 1f;
        float low = LaneMath.Log1p(new GpuLane(fraction)).Value + (exponent * Ln2Lower);
        return low + (exponent * Ln2Upper); // this product is exact
    }
}

/// <summary><c>gx[j] += g·(e^(x[j] - m) / Σ e^(x - m) - [j = target])</c> with <c>g = factor·gLoss[0]</c>.</summary>
internal readonly struct CrossEntropyBackwardKernel(
    Plane plane,
    GpuRows logits,
    int firstClass,
    ArrayView<int> targets,
    int ignoreIndex,
    GpuRows statistics,
    float factor,
    GpuRows gLoss,
    GpuRows gLogits)
    : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (!plane.Contains(row, column))
        {
            return;
        }

        int target = targets[row];
        if (target == ignoreIndex)
        {
            return;
        }

        float g = factor * gLoss.Load(0, 0);
        Quad exponentials = Exponentials.Of(logits.LoadQuad(row, column, plane.Width), statistics.Load(row, 0));
        Quad gradient = gLogits.LoadQuad(row, column, plane.Width) + (exponentials * (g / statistics.Load(row, 1)));
        long at = target - firstClass - column;
        gradient -= new Quad(at == 0 ? g : 0f, at == 1 ? g : 0f, at == 2 ? g : 0f, at == 3 ? g : 0f);
        gLogits.StoreQuad(row, column, plane.Width, gradient);
    }
}
