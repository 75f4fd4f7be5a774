namespace Mamba.Models.Data;

/// <summary>Finds a sequence of tokens in a stream that is read token by token.</summary>
/// <remarks>Knuth, Morris and Pratt, SIAM J. Comput. 6 (1977).</remarks>
internal sealed class SeparatorSearch
{
    private readonly int[] _separator;
    private readonly int[] _borders;
    private int _matched;

    public SeparatorSearch(int[] separator)
    {
        _separator = separator;
        _borders = new int[separator.Length];
        for (int i = 1; i < separator.Length; i++)
        {
            _borders[i] = Match(_borders[i - 1], separator[i]);
        }
    }

    /// <summary>Number of tokens of the separator.</summary>
    public int Length => _separator.Length;

    /// <summary>Reads a token and returns whether it ends a separator; separators do not overlap.</summary>
    public bool Ends(int token)
    {
        _matched = Match(_matched, token);
        bool ends = _matched > 0 && _matched == Length;
        _matched = ends ? 0 : _matched;
        return ends;
    }

    /// <summary>Length of the prefix of the separator that ends at this token.</summary>
    private int Match(int matched, int token)
    {
        while (matched > 0 && _separator[matched] != token)
        {
            matched = _borders[matched - 1];
        }

        return Length > 0 && _separator[matched] == token ? matched + 1 : 0;
    }
}
