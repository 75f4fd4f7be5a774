namespace Mamba.Text.Chat;

/// <summary>Finds stop strings in text that comes in pieces. Text that may begin one is held back.</summary>
/// <param name="stops">The strings, none of them empty.</param>
internal sealed class StopFinder(IReadOnlyList<string> stops)
{
    private string _held = "";

    /// <summary>Whether a stop string was found; the text ended before it.</summary>
    public bool IsFound { get; private set; }

    /// <summary>The text of the last piece after the stop string.</summary>
    public string Rest { get; private set; } = "";

    /// <summary>Adds a piece.</summary>
    /// <returns>The text that is certain not to belong to a stop string.</returns>
    public string Append(string text)
    {
        if (IsFound)
        {
            return "";
        }

        string all = _held + text;
        (int end, int length) = stops.Select(stop => (At: all.IndexOf(stop, StringComparison.Ordinal), stop.Length))
            .Where(found => found.At >= 0).DefaultIfEmpty((-1, 0)).Min();
        IsFound = end >= 0;
        Rest = IsFound ? all[(end + length)..] : "";
        end = IsFound ? end : all.Length - stops.Select(stop => Overlap(all, stop)).DefaultIfEmpty().Max();
        _held = IsFound ? "" : all[end..];
        return all[..end];
    }

    /// <summary>The text that was held back, at the end of all text.</summary>
    public string Finish() => _held;

    /// <summary>The longest end of a text with which a stop string begins.</summary>
    private static int Overlap(string text, string stop)
    {
        int length = Math.Min(text.Length, stop.Length - 1);
        while (!text.EndsWith(stop[..length], StringComparison.Ordinal))
        {
            length--;
        }

        return length;
    }
}
