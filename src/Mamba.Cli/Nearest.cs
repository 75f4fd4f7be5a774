namespace Mamba.Cli;

/// <summary>Guesses which name was meant by one that does not exist.</summary>
internal static class Nearest
{
    /// <summary>A question that names the nearest of the known names, behind a space; empty if none is near.</summary>
    public static string Hint(string name, IEnumerable<string> known)
    {
        (string? nearest, int distance) = known
            .Select(other => (other, Distance(name, other))).MinBy(pair => pair.Item2);
        int letters = name.TrimStart('-').Length;
        return nearest is not null && distance <= (letters + 1) / 3 ? $" Did you mean {nearest}?" : "";
    }

    /// <summary>
    /// The smallest number of letters to insert, delete or replace that turns one word into the other.
    /// </summary>
    /// <remarks>Wagner and Fischer, "The string-to-string correction problem", J. ACM 21 (1974).</remarks>
    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 0; i < a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i + 1;
            for (int j = 0; j < b.Length; j++)
            {
                int replaced = diagonal + (a[i] == b[j] ? 0 : 1);
                diagonal = row[j + 1];
                row[j + 1] = Math.Min(replaced, Math.Min(diagonal, row[j]) + 1);
            }
        }

        return row[^1];
    }
}
