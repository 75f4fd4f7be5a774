using System.Runtime.CompilerServices;

namespace Mamba.Memory;

/// <summary>The sizes of an array's one to six axes; the last axis is contiguous. Written <c>[2, 3]</c>.</summary>
/// <example>
/// <code>
/// Shape shape = [8, 128, 64];                // batch, length, channels
/// Console.WriteLine($"{shape} has {shape.Count} elements, the last axis {shape.Width}");
/// </code>
/// </example>
[CollectionBuilder(typeof(Shape), nameof(Create))]
public readonly struct Shape : IEquatable<Shape>
{
    /// <summary>The largest number of axes.</summary>
    public const int MaxRank = 6;

    private readonly Sizes _sizes;

    private Shape(ReadOnlySpan<int> sizes)
    {
        if (sizes.Length is 0 or > MaxRank)
        {
            throw new ArgumentException($"A shape has 1 to {MaxRank} axes; found {sizes.Length}.", nameof(sizes));
        }

        nint count = 1;
        for (int i = 0; i < sizes.Length; i++)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(sizes[i], nameof(sizes));
            _sizes[i] = sizes[i];
            count = checked(count * sizes[i]);
        }

        Rank = sizes.Length;
        Count = count;
    }

    /// <summary>Number of axes.</summary>
    public int Rank { get; }

    /// <summary>Number of elements.</summary>
    public nint Count { get; }

    /// <summary>Size of the last axis.</summary>
    /// <exception cref="InvalidOperationException">The shape is <c>default</c> and has no axes.</exception>
    public int Width => Rank > 0
        ? _sizes[Rank - 1]
        : throw new InvalidOperationException("This shape is empty (default): it has no axes.");

    /// <summary>Number of rows: the product of all axes except the last.</summary>
    public nint Rows
    {
        get
        {
            nint rows = 1;
            for (int i = 0; i < Rank - 1; i++)
            {
                rows *= _sizes[i];
            }

            return rows;
        }
    }

    /// <summary>Size of an axis; <c>^1</c> is the last.</summary>
    /// <param name="axis">The axis.</param>
    public int this[Index axis]
    {
        get
        {
            int i = axis.GetOffset(Rank);
            ArgumentOutOfRangeException.ThrowIfNegative(i, nameof(axis));
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(i, Rank, nameof(axis));
            return _sizes[i];
        }
    }

    /// <summary>Makes a shape.</summary>
    /// <param name="sizes">One to six sizes, none negative.</param>
    /// <returns>The shape.</returns>
    /// <exception cref="ArgumentException">There are no sizes, or more than six.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A size is negative.</exception>
    /// <exception cref="OverflowException">The number of elements does not fit a pointer-sized integer.</exception>
    public static Shape Create(ReadOnlySpan<int> sizes) => new(sizes);

    /// <summary>The same shape with another size of the last axis.</summary>
    /// <param name="width">The new size of the last axis.</param>
    /// <returns>The shape.</returns>
    public Shape WithWidth(int width)
    {
        Span<int> sizes = stackalloc int[MaxRank];
        for (int i = 0; i < Rank; i++)
        {
            sizes[i] = _sizes[i];
        }

        sizes[Rank - 1] = width;
        return new(sizes[..Rank]);
    }

    /// <summary>The same shape with another size of one axis.</summary>
    internal Shape WithSize(int axis, int size)
    {
        Span<int> sizes = stackalloc int[MaxRank];
        for (int i = 0; i < Rank; i++)
        {
            sizes[i] = i == axis ? size : _sizes[i];
        }

        return new(sizes[..Rank]);
    }

    /// <summary>Copies the sizes into an array.</summary>
    /// <returns>The sizes.</returns>
    public int[] ToArray()
    {
        int[] sizes = new int[Rank];
        for (int i = 0; i < Rank; i++)
        {
            sizes[i] = _sizes[i];
        }

        return sizes;
    }

    /// <summary>Enumerates the sizes.</summary>
    /// <returns>The enumerator.</returns>
    public IEnumerator<int> GetEnumerator() => ((IEnumerable<int>)ToArray()).GetEnumerator();

    /// <inheritdoc/>
    public bool Equals(Shape other)
    {
        bool equal = Rank == other.Rank;
        for (int i = 0; equal && i < Rank; i++)
        {
            equal = _sizes[i] == other._sizes[i];
        }

        return equal;
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() =>
        HashCode.Combine(Rank, _sizes[0], _sizes[1], _sizes[2], _sizes[3], _sizes[4], _sizes[5]);

    /// <summary>Whether two shapes are equal.</summary>
    /// <param name="left">A shape.</param>
    /// <param name="right">A shape.</param>
    /// <returns>Whether they are equal.</returns>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Whether two shapes differ.</summary>
    /// <param name="left">A shape.</param>
    /// <param name="right">A shape.</param>
    /// <returns>Whether they differ.</returns>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    /// <inheritdoc/>
    public override string ToString() => $"[{string.Join(", ", ToArray())}]";

    [InlineArray(MaxRank)]
    private struct Sizes
    {
        private int _first;
    }
}
