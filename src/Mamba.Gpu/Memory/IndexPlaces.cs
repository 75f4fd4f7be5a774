namespace Mamba.Gpu.Memory;

/// <summary>The positions of each distinct index in a list, in ascending order; frequent indices come first.</summary>
internal sealed class IndexPlaces
{
    /// <summary>An index with at least this many positions is frequent: several threads share its positions.</summary>
    private const int Many = 16;

    private IndexPlaces(int[] values, int[] starts, int[] places, int frequent) =>
        (Values, Starts, Places, Frequent) = (values, starts, places, frequent);

    /// <summary>The distinct indices, without negative ones.</summary>
    public int[] Values { get; }

    /// <summary>Start of each value's positions in <see cref="Places"/>, and the end of the last.</summary>
    public int[] Starts { get; }

    /// <summary>The positions, grouped by value.</summary>
    public int[] Places { get; }

    /// <summary>Number of frequent values; they come first.</summary>
    public int Frequent { get; }

    public static IndexPlaces Of(ReadOnlySpan<int> indices)
    {
        int[] places = new int[indices.Length];
        long[] keys = new long[indices.Length];
        int count = 0;
        for (int i = 0; i < indices.Length; i++)
        {
            if (indices[i] >= 0)
            {
                keys[count++] = ((long)indices[i] << 32) | (uint)i;
            }
        }

        Array.Sort(keys, 0, count);
        (int Value, int First, int Count)[] runs = RunsOf(keys.AsSpan(0, count));
        int frequent = 0;
        int[] values = new int[runs.Length], starts = new int[runs.Length + 1];
        int next = 0, run = 0;
        foreach (bool many in (ReadOnlySpan<bool>)[true, false])
        {
            foreach ((int value, int first, int length) in runs)
            {
                if (length >= Many != many)
                {
                    continue;
                }

                (values[run], starts[run]) = (value, next);
                run++;
                for (int i = first; i < first + length; i++)
                {
                    places[next++] = (int)keys[i];
                }
            }

            frequent = many ? run : frequent;
        }

        starts[run] = next;
        return new(values, starts, places[..next], frequent);
    }

    /// <summary>Runs of keys with equal upper halves.</summary>
    private static (int Value, int First, int Count)[] RunsOf(ReadOnlySpan<long> keys)
    {
        List<(int Value, int First, int Count)> runs = [];
        for (int first = 0; first < keys.Length;)
        {
            int value = (int)(keys[first] >> 32), end = first + 1;
            while (end < keys.Length && (int)(keys[end] >> 32) == value)
            {
                end++;
            }

            runs.Add((value, first, end - first));
            first = end;
        }

        return [.. runs];
    }
}
