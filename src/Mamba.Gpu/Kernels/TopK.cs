using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// The largest numbers of a row, largest first, and their indices; equal numbers in the order of their indices, NaN
/// before all others. A group takes one row, and finds in each round the first of the numbers that are left.
/// </summary>
/// <param name="x">The rows.</param>
/// <param name="width">Columns of a row.</param>
/// <param name="count">How many numbers are wanted.</param>
/// <param name="y">Receives the numbers, [rows, count].</param>
/// <param name="places">Receives the indices, [rows, count].</param>
internal readonly struct TopKKernel(GpuRows x, int width, int count, GpuRows y, ArrayView<int> places) : IKernel
{
    public void Run()
    {
        long row = Grid.IdxX;
        int thread = Group.IdxX;
        ArrayView<float> values = SharedMemory.Allocate<float>(GroupSum.MaxThreads);
        ArrayView<int> columns = SharedMemory.Allocate<int>(GroupSum.MaxThreads);
        float last = 0f;
        int lastColumn = -1, round = 0;
        do
        {
            float best = 0f;
            int column = -1;
            for (int i = thread; i < width; i += Group.DimX)
            {
                float value = x.Load(row, i);
                bool isLeft = lastColumn < 0 || IsBefore(last, lastColumn, value, i);
                if (isLeft && (column < 0 || IsBefore(value, i, best, column)))
                {
                    best = value;
                    column = i;
                }
            }

            values[thread] = best;
            columns[thread] = column;
            Group.Barrier();
            for (int half = Group.DimX / 2; half > 0; half /= 2)
            {
                if (thread < half)
                {
                    int other = columns[thread + half];
                    bool isBetter = other >= 0
                        && (column < 0 || IsBefore(values[thread + half], other, best, column));
                    best = isBetter ? values[thread + half] : best;
                    column = isBetter ? other : column;
                    values[thread] = best;
                    columns[thread] = column;
                }

                Group.Barrier();
            }

            last = values[0];
            lastColumn = columns[0];
            if (thread == 0)
            {
                y.Store(row, round, last);
                places[(row * count) + round] = lastColumn;
            }

            Group.Barrier();
            round++;
        }
        while (round < count);
    }

    /// <summary>Whether number a at index i comes before number b at index j.</summary>
    private static bool IsBefore(float a, int i, float b, int j)
    {
        bool isNumberA = !float.IsNaN(a), isNumberB = !float.IsNaN(b);
        bool isLarger = isNumberA ? isNumberB && a > b : isNumberB;
        bool isSmaller = isNumberA ? !isNumberB || a < b : false;
        return isLarger || (!isSmaller && i < j);
    }
}

/// <summary><c>gx[row, places[row, i]] += gy[row, i]</c>; the places of a row differ.</summary>
/// <param name="total">Number of elements of gy.</param>
/// <param name="count">Columns of gy.</param>
/// <param name="places">The places, [rows, count].</param>
/// <param name="gy">The gradient of the largest numbers.</param>
/// <param name="gx">The gradient of the rows.</param>
internal readonly struct TopKBackwardKernel(long total, long count, ArrayView<int> places, GpuRows gy, GpuRows gx)
    : IKernel
{
    public void Run()
    {
        long id = ((long)Grid.IdxX * Group.DimX) + Group.IdxX;
        if (id < total)
        {
            long row = id / count;
            gx.Add(row, places[id], gy.Load(row, id - (row * count)));
        }
    }
}
