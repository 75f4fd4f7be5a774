namespace Mamba.Operations;

/// <summary>Checks the lengths of the rows of a pool of sequences.</summary>
internal static class SequenceLengths
{
    /// <summary>Throws unless there is a length for each row, from 0 to the capacity of a row.</summary>
    public static void Require(ReadOnlySpan<int> lengths, int rows, int most, string name)
    {
        if (lengths.Length != rows)
        {
            throw new ArgumentException($"Expected {rows} {name}, one for each sequence; found {lengths.Length}.");
        }

        foreach (int length in lengths)
        {
            if (length < 0 || length > most)
            {
                throw new ArgumentException($"Expected {name} of 0 to {most}; found {length}.");
            }
        }
    }
}
