using ILGPU;
using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// A row's maximum m and <c>Σ e^(x - m)</c>, in one pass over the row; and its loss,
/// <c>log Σ e^(x - m) + m - x[target]</c>.
/// </summary>
/// <param name="rows">Whole rows.</param>
/// <param name="logits">x.</param>
/// <param name="targets">A class for each row.</param>
/// <param name="ignoreIndex">The target of rows that do not count: they are not read, and their loss is 0.</param>
/// <param name="statistics">Maximum and sum of each row.</param>
/// <param name="losses">One row with the loss of each.</param>
internal readonly struct CrossEntropyKernel(
    NormRows rows, GpuRows logits, ArrayView<int> targets, int ignoreIndex, GpuRows statistics, GpuRows losses)
    : IKernel
{
    private const float Ln2Upper = 0.693359375f;
    private const float Ln2Lower = -2.12194440e-4f;

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
        if (Group.IdxX == 0 && end > 0)
        {
            float loss = 0f;
            if (counted > 0)
            {
                statistics.Store(row, 0, common);
                statistics.Store(row, 1, sum);
                loss = Log(sum) + (common - logits.Load(row, target));
            }

            losses.Store(0, row, loss);
        }
    }

    /// <summary>The logarithm of a number that is at least 1, good to the last digit.</summary>
    private static float Log(float x)
    {
        if (float.IsNaN(x) || x < 1f)
        {
            return float.NaN; // less than 1 is the sum of a row of nothing but -∞
        }

        uint bits = Interop.FloatAsInt(x);
        float exponent = (int)(bits >> 23) - 127;
        float fraction = Interop.IntAsFloat((bits & 0x7FFFFFu) | 0x3F800000u) - 1f;
        float low = LaneMath.Log1p(new GpuLane(fraction)).Value + (exponent * Ln2Lower);
        return low + (exponent * Ln2Upper); // the last product is exact
    }
}

/// <summary><c>gx[j] += g·(e^(x[j] - m) / Σ e^(x - m) - [j = target])</c> with <c>g = factor·gLoss[0]</c>.</summary>
internal readonly struct CrossEntropyBackwardKernel(
    Plane plane,
    GpuRows logits,
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
        long at = target - column;
        gradient -= new Quad(at == 0 ? g : 0f, at == 1 ? g : 0f, at == 2 ? g : 0f, at == 3 ? g : 0f);
        gLogits.StoreQuad(row, column, plane.Width, gradient);
    }
}
