using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Cpu;

public sealed unsafe partial class CpuDevice
{
    internal override void TopK(in TopKOperation top)
    {
        TopKJob job = new(
            RowsOf(top.X), (int*)StartOf(top.Places), StartOf(top.Y), top.X.Shape.Rows, top.X.Shape.Width, top.Count);
        Run(job, job.Items);
    }

    internal override void TopKBackward(in TopKOperation top, in TopKOperation gradients)
    {
        int* places = (int*)StartOf(top.Places);
        Rows gx = RowsOf(gradients.X), gy = RowsOf(gradients.Y);
        for (nint row = 0; row < top.X.Shape.Rows; row++)
        {
            for (int i = 0; i < top.Count; i++)
            {
                gx[row][places[(row * top.Count) + i]] += gy[row][i];
            }
        }
    }

    private readonly struct TopKJob(Rows x, int* places, float* y, nint rows, int width, int count) : IJob
    {
        private readonly nint _perItem = Math.Max(1, ElementsPerItem / Math.Max(width, 1));

        public int Items => (int)((rows + _perItem - 1) / _perItem);

        public void Run(int item)
        {
            nint end = Math.Min((item + 1) * _perItem, rows);
            for (nint row = item * _perItem; row < end; row++)
            {
                Span<int> chosen = new(places + (row * count), count);
                Choose(new(x[row], width), chosen);
                for (int i = 0; i < count; i++)
                {
                    y[(row * count) + i] = x[row][chosen[i]];
                }
            }
        }

        /// <summary>Writes the indices of the largest numbers, by insertion into those found so far.</summary>
        private static void Choose(ReadOnlySpan<float> row, Span<int> places)
        {
            int found = 0;
            for (int i = 0; i < row.Length; i++)
            {
                if (found == places.Length && !IsLarger(row[i], row[places[^1]]))
                {
                    continue;
                }

                int at = found < places.Length ? found++ : found - 1;
                for (; at > 0 && IsLarger(row[i], row[places[at - 1]]); at--)
                {
                    places[at] = places[at - 1];
                }

                places[at] = i;
            }
        }

        private static bool IsLarger(float a, float b) => a > b || (float.IsNaN(a) && !float.IsNaN(b));
    }
}
