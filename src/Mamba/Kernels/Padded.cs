using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>Copies matrices into scratch memory padded to whole tiles, and sets the padding to zero.</summary>
internal static unsafe class Padded
{
    /// <summary>Copies a matrix [rows, columns], and sets the padding to zero.</summary>
    public static void Copy(Rows source, int rows, int columns, Rows target)
    {
        for (int row = 0; row < rows; row++)
        {
            new ReadOnlySpan<float>(source[row], columns).CopyTo(new(target[row], columns));
        }

        Clear(rows, columns, target);
    }

    /// <summary>Transposes a matrix [rows, columns] into [columns, rows], and sets the padding to zero.</summary>
    public static void CopyTransposed(Rows source, int rows, int columns, Rows target)
    {
        Transposition.Run(source, rows, columns, target);
        Clear(columns, rows, target);
    }

    /// <summary>Adds the transpose of a matrix [rows, columns] to [columns, rows].</summary>
    public static void AddTransposed(Rows source, int rows, int columns, Rows target)
    {
        for (int column = 0; column < columns; column++)
        {
            float* from = source.Origin + column, to = target[column];
            for (int row = 0; row < rows; row++, from += source.Pitch)
            {
                to[row] += *from;
            }
        }
    }

    /// <summary>Sets a matrix [rows, columns] and its padding to zero.</summary>
    public static void Zero(int rows, int columns, Rows target)
    {
        for (int row = 0; row < SmallProduct.WholeColumns(rows); row++)
        {
            new Span<float>(target[row], SmallProduct.WholeColumns(columns)).Clear();
        }
    }

    /// <summary>Sets the padding of a matrix [rows, columns] to zero.</summary>
    private static void Clear(int rows, int columns, Rows target)
    {
        int wholeRows = SmallProduct.WholeColumns(rows), wholeColumns = SmallProduct.WholeColumns(columns);
        if (columns < wholeColumns)
        {
            for (int row = 0; row < rows; row++)
            {
                new Span<float>(target[row] + columns, wholeColumns - columns).Clear();
            }
        }

        for (int row = rows; row < wholeRows; row++)
        {
            new Span<float>(target[row], wholeColumns).Clear();
        }
    }
}
