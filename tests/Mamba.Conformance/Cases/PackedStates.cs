using Mamba.Operations;

namespace Mamba.Conformance.Cases;

/// <summary>States of packed rows: the reference has one initial state a row, ours one a segment.</summary>
internal static class PackedStates
{
    /// <summary>Gives each row's initial state to its first segment, and zeros to the others.</summary>
    public static Nd Spread(Nd rows, Golden golden, Segments? segments)
    {
        if (segments is null)
        {
            return rows;
        }

        int count = rows.Values.Length / rows.Shape[0];
        double[] values = new double[segments.Count * count];
        int[] first = FirstOfRows(golden, segments);
        for (int row = 0; row < first.Length; row++)
        {
            rows.Values.AsSpan(row * count, count).CopyTo(values.AsSpan(first[row] * count));
        }

        return new([segments.Count, .. rows.Shape[1..]], values);
    }

    /// <summary>Picks the entry of each row's first segment.</summary>
    public static Nd First(Nd perSegment, Golden golden, Segments? segments) =>
        segments is null ? perSegment : Pick(perSegment, FirstOfRows(golden, segments));

    /// <summary>Picks the entry of each row's last segment.</summary>
    public static Nd Last(Nd perSegment, Golden golden, Segments? segments)
    {
        if (segments is null)
        {
            return perSegment;
        }

        int[] first = FirstOfRows(golden, segments);
        return Pick(perSegment, [.. first.Skip(1).Select(index => index - 1), segments.Count - 1]);
    }

    private static Nd Pick(Nd nd, int[] indices) =>
        new([indices.Length, .. nd.Shape[1..]], [.. indices.SelectMany(index => nd.At(index).Values)]);

    private static int[] FirstOfRows(Golden golden, Segments segments)
    {
        int[] shape = golden.Shape("in.seq_idx");
        return [.. Enumerable.Range(0, shape[0]).Select(row => segments.Offsets.IndexOf(row * shape[1]))];
    }
}
