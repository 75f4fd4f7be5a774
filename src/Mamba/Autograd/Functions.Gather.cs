using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Looks up the vector of every token, <c>y[b, t] = table[ids[b·length + t]]</c>.</summary>
    /// <param name="table">The vectors, shape [vocabulary, width].</param>
    /// <param name="ids">The <c>batch·length</c> token ids, row by row.</param>
    /// <param name="batch">Number of rows.</param>
    /// <param name="length">Tokens of a row.</param>
    /// <returns>An array [batch, length, width].</returns>
    /// <exception cref="ArgumentException">
    /// The table is not a matrix, or the number of ids is not <c>batch·length</c>.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">An id lies outside the vocabulary.</exception>
    public static DeviceArray Embedding(DeviceArray table, IndexArray ids, int batch, int length)
    {
        Require(table);
        if (table.Shape.Rank != 2)
        {
            throw new ArgumentException($"Expected a table [vocabulary, width]; found {table.Shape}.", nameof(table));
        }

        int vocabulary = table.Shape[0];
        if (ids.Minimum < 0 || ids.Maximum >= vocabulary)
        {
            int wrong = ids.Minimum < 0 ? ids.Minimum : ids.Maximum;
            throw new ArgumentOutOfRangeException(
                nameof(ids), wrong, $"Token id {wrong} lies outside the vocabulary of {vocabulary}.");
        }

        return GatherRows(table, ids, 1, [batch, length, table.Shape.Width]);
    }

    /// <summary>Gathers the tokens of every row in another order, <c>y[b, i] = x[b, order[i]]</c>.</summary>
    /// <param name="x">The tokens, shape [batch, length, channels].</param>
    /// <param name="order">
    /// Positions 0 to length - 1; -1 is padding, which gives zeros. Positions may be missing or repeated.
    /// </param>
    /// <returns>An array [batch, <c>order.Length</c>, channels].</returns>
    /// <exception cref="ArgumentException"><paramref name="x"/> does not have three axes.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A position lies outside the row.</exception>
    /// <remarks>
    /// <see cref="Reorder"/> takes a <see cref="ScanOrder"/>, which is built once and has a fast backward pass.
    /// </remarks>
    public static DeviceArray Gather(DeviceArray x, IndexArray order)
    {
        Require(x);
        if (x.Shape.Rank != 3)
        {
            throw new ArgumentException($"Expected [batch, length, channels]; found {x.Shape}.", nameof(x));
        }

        return GatherRows(x, order, x.Shape[0], [x.Shape[0], order.Length, x.Shape.Width]);
    }

    /// <summary>Gathers rows, <c>y[i] = x[indices[i]]</c>.</summary>
    /// <param name="x">The rows, [..., width], numbered across all axes before the last.</param>
    /// <param name="indices">The row of x for each row of y; -1 gives zeros. Rows may be missing or repeated.</param>
    /// <returns>An array [<c>indices.Length</c>, width].</returns>
    /// <exception cref="ArgumentOutOfRangeException">x has no such row.</exception>
    public static DeviceArray GatherRows(DeviceArray x, IndexArray indices)
    {
        Require(x);
        return GatherRows(x, indices, 1, [indices.Length, x.Shape.Width]);
    }

    /// <summary>Adds rows of x to rows of y, <c>y[indices[i]] += x[i]</c>; y starts as zeros.</summary>
    /// <param name="x">The rows, [..., width], numbered across all axes before the last.</param>
    /// <param name="indices">The row of y for each row of x; -1 drops the row.</param>
    /// <param name="rows">Number of rows of y.</param>
    /// <returns>An array [rows, width]; rows without an index are 0.</returns>
    /// <exception cref="ArgumentException">The number of indices differs from the number of rows of x.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// y has no such row, or <paramref name="rows"/> is negative.
    /// </exception>
    /// <example>
    /// Sums the messages to every node of a graph:
    /// <code>
    /// DeviceArray inbox = Functions.ScatterRows(Functions.GatherRows(nodes, sources), targets, nodes.Shape[0]);
    /// </code>
    /// </example>
    public static DeviceArray ScatterRows(DeviceArray x, IndexArray indices, int rows)
    {
        Device device = Require(x);
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        return Run(device, new ScatterOperation { X = x, Indices = indices, Rows = rows }).Y;
    }

    private static DeviceArray GatherRows(DeviceArray x, IndexArray indices, int parts, Shape shape) =>
        Run(x.Device, new GatherOperation { X = x, Indices = indices, Parts = parts, Shape = shape }).Y;
}
