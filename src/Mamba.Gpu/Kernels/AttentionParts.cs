using ILGPU;

namespace Mamba.Gpu.Kernels;

/// <summary>Keys or values: the rows of each sequence's past, then those of its present.</summary>
internal readonly struct GpuPastRows(GpuRows past, GpuRows present)
{
    public Quad LoadQuad(AttentionTile tile, int index, long column, long end)
    {
        // Chooses the rows first, so that the kernel has the inlined code of one load, not of two.
        GpuRows rows = index < tile.Past ? past : present;
        return rows.LoadQuad(RowOf(tile, index), column, end);
    }

    public float Load(AttentionTile tile, int index, long column)
    {
        GpuRows rows = index < tile.Past ? past : present;
        return rows.Load(RowOf(tile, index), column);
    }

    /// <summary>Adds to a row, unless its part is absent.</summary>
    public void AddQuad(AttentionTile tile, int index, long column, long end, Quad value)
    {
        GpuRows rows = index < tile.Past ? past : present;
        if (rows.Exists)
        {
            rows.AddQuad(RowOf(tile, index), column, end, value);
        }
    }

    private static long RowOf(AttentionTile tile, int index) =>
        index < tile.Past ? tile.PastStart + index : (long)tile.KeyStart + index - tile.Past;
}

/// <summary>The tile of a group: four tokens or keys of a sequence, a head, and some of its columns.</summary>
internal readonly struct AttentionTile(
    int start, int length, int keyStart, int keyLength, long pastStart, int past, int first, int head, int column)
{
    /// <summary>The sequence's first token.</summary>
    public int Start { get; } = start;

    /// <summary>The row of the sequence's first key.</summary>
    public int KeyStart { get; } = keyStart;

    /// <summary>Number of the sequence's keys.</summary>
    public int KeyLength { get; } = keyLength;

    /// <summary>The row of the first key before the sequence.</summary>
    public long PastStart { get; } = pastStart;

    /// <summary>Number of keys before the sequence.</summary>
    public int Past { get; } = past;

    /// <summary>Number of the sequence's tokens.</summary>
    public int Length { get; } = length;

    /// <summary>The first of the four tokens or keys.</summary>
    public int First { get; } = first;

    public int Head { get; } = head;

    /// <summary>This thread's first column in the head.</summary>
    public int Column { get; } = column;
}

/// <summary>Attention's inputs. A thread scores one key for four queries, or one query for four keys.</summary>
/// <param name="sequences">The sequences of the tokens.</param>
/// <param name="q">Queries.</param>
/// <param name="k">Keys.</param>
/// <param name="v">Values.</param>
/// <param name="pastLengths">Keys before each sequence; not read if <paramref name="past"/> is not -1.</param>
/// <param name="past">Keys before every sequence; -1 if they differ.</param>
/// <param name="capacity">Rows of each sequence's past.</param>
/// <param name="keyLengths">Keys of each sequence; not read if <paramref name="keys"/> is not -1.</param>
/// <param name="keys">Keys of every sequence; -1 if they differ.</param>
/// <param name="keyRows">Rows of each sequence's keys; -1 if they are the rows of its tokens.</param>
/// <param name="causal">1 if a query attends to no key later than its own, else 0.</param>
/// <param name="window">Number of keys that a query attends to; 0: all.</param>
/// <param name="headsPerKey">Query heads that share a key head.</param>
/// <param name="scale">Factor of the products of queries and keys.</param>
/// <param name="mask">Terms that are added to the scores, rows [mask heads, queries]; may be absent.</param>
/// <param name="maskHeads">Heads of the mask: those of the queries, or 1.</param>
/// <param name="dim">Width of a head.</param>
/// <param name="columnTiles">Groups that divide a head's columns.</param>
internal readonly struct AttentionParts(
    GpuSequences sequences,
    GpuRows q,
    GpuPastRows k,
    GpuPastRows v,
    ArrayView<int> pastLengths,
    int past,
    int capacity,
    ArrayView<int> keyLengths,
    int keys,
    int keyRows,
    int causal,
    int window,
    int headsPerKey,
    float scale,
    GpuRows mask,
    int maskHeads,
    int dim,
    int columnTiles)
{
    /// <summary>The widest head: shared memory holds four of its rows.</summary>
    public const int MaxDim = 512;

    public GpuSequences Sequences { get; } = sequences;

    public GpuRows Q { get; } = q;

    public GpuPastRows K { get; } = k;

    public GpuPastRows V { get; } = v;

    public int Dim { get; } = dim;

    /// <summary>Query heads that share a key head.</summary>
    public int HeadsPerKey { get; } = headsPerKey;

    /// <summary>The tile of this group, given the number of heads and of tiles of a sequence.</summary>
    public AttentionTile Tile(int headCount, int tilesPerSequence)
    {
        int rest = Grid.IdxX / columnTiles;
        int column = 4 * (((Grid.IdxX - (rest * columnTiles)) * Group.DimX) + Group.IdxX);
        int tiles = rest / headCount, head = rest - (tiles * headCount);
        int sequence = tiles / tilesPerSequence, first = 4 * (tiles - (sequence * tilesPerSequence));
        return TileOf(sequence, first, head, column);
    }

    /// <summary>Four keys of a sequence, without columns.</summary>
    public AttentionTile KeyTile(int sequence, int head, int first) => TileOf(sequence, first, head, 0);

    private AttentionTile TileOf(int sequence, int first, int head, int column) => new(
        Sequences.Start(sequence),
        Sequences.Length(sequence),
        keyRows >= 0 ? sequence * keyRows : Sequences.Start(sequence),
        keys >= 0 ? keys : keyLengths[sequence],
        (long)Sequences.Slot(sequence) * capacity,
        past >= 0 ? past : pastLengths[sequence],
        first,
        head,
        column);

    /// <summary>Packs four rows of queries, or of gradients of outputs, column by column.</summary>
    public void StageTokens(GpuRows rows, AttentionTile tile, ArrayView<Quad> columns)
    {
        long from = (long)tile.Head * Dim;
        int end = tile.First < tile.Length ? Dim : 0;
        for (int i = (Group.IdxY * Group.DimX) + Group.IdxX; i < end; i += Group.DimX * Group.DimY)
        {
            columns[i] = new(
                rows.Load(TokenRow(tile, 0), from + i),
                rows.Load(TokenRow(tile, 1), from + i),
                rows.Load(TokenRow(tile, 2), from + i),
                rows.Load(TokenRow(tile, 3), from + i));
        }
    }

    /// <summary>Packs four rows of keys or values, column by column.</summary>
    public void StageKeys(GpuPastRows rows, AttentionTile tile, ArrayView<Quad> columns)
    {
        long from = (long)tile.Head * Dim;
        int last = tile.Past + tile.KeyLength - 1, end = tile.First <= last ? Dim : 0;
        for (int i = (Group.IdxY * Group.DimX) + Group.IdxX; i < end; i += Group.DimX * Group.DimY)
        {
            columns[i] = new(
                rows.Load(tile, tile.First, from + i),
                rows.Load(tile, Smaller(tile.First + 1, last), from + i),
                rows.Load(tile, Smaller(tile.First + 2, last), from + i),
                rows.Load(tile, Smaller(tile.First + 3, last), from + i));
        }
    }

    /// <summary>Dot products of a key or value with four packed rows.</summary>
    public Quad OfTokens(ArrayView<Quad> columns, GpuPastRows keys, AttentionTile tile, int key)
    {
        long from = (long)(tile.Head / HeadsPerKey) * Dim;
        Quad sum = default;
        for (int i = 0; i < Dim; i += 4)
        {
            sum += Products(columns, i, keys.LoadQuad(tile, key, from + i, from + Dim));
        }

        return sum;
    }

    /// <summary>Dot products of a token's row with four packed keys or values.</summary>
    public Quad OfKeys(ArrayView<Quad> columns, GpuRows tokens, AttentionTile tile, int token, int head)
    {
        long from = (long)head * Dim;
        Quad sum = default;
        for (int i = 0; i < Dim; i += 4)
        {
            sum += Products(columns, i, tokens.LoadQuad((long)tile.Start + token, from + i, from + Dim));
        }

        return sum;
    }

    /// <summary>Dot products of a token's row with the rows of four keys or values in device memory.</summary>
    public Quad OfRow(GpuRows tokens, GpuPastRows keyRows, AttentionTile tile, int token, int head)
    {
        long from = (long)head * Dim, keyFrom = (long)tile.Head * Dim;
        int last = tile.Past + tile.KeyLength - 1;
        Quad sum = default;
        for (int i = 0; i < Dim; i++)
        {
            float value = tokens.Load((long)tile.Start + token, from + i);
            sum += new Quad(
                keyRows.Load(tile, tile.First, keyFrom + i),
                keyRows.Load(tile, Smaller(tile.First + 1, last), keyFrom + i),
                keyRows.Load(tile, Smaller(tile.First + 2, last), keyFrom + i),
                keyRows.Load(tile, Smaller(tile.First + 3, last), keyFrom + i)) * value;
        }

        return sum;
    }

    private Quad Products(ArrayView<Quad> columns, int i, Quad row)
    {
        Quad sum = columns[i] * row.X;
        sum += i + 1 < Dim ? columns[i + 1] * row.Y : default;
        sum += i + 2 < Dim ? columns[i + 2] * row.Z : default;
        return sum + (i + 3 < Dim ? columns[i + 3] * row.W : default);
    }

    /// <summary>Scores from products.</summary>
    public Quad Scaled(Quad products) => products * scale;

    /// <summary>The scores of four queries for a key.</summary>
    public Quad Scores(AttentionTile tile, int key, Quad products)
    {
        Quad scores = Scaled(products);
        if (mask.Exists)
        {
            long row = MaskRow(tile, tile.Head);
            int last = tile.Length - 1;
            scores += new Quad(
                mask.Load(row + Smaller(tile.First, last), key),
                mask.Load(row + Smaller(tile.First + 1, last), key),
                mask.Load(row + Smaller(tile.First + 2, last), key),
                mask.Load(row + Smaller(tile.First + 3, last), key));
        }

        return scores;
    }

    /// <summary>The scores of a query of a head for four keys.</summary>
    public Quad ScoresOf(AttentionTile tile, int token, int head, Quad products)
    {
        Quad scores = Scaled(products);
        if (mask.Exists)
        {
            scores += mask.LoadQuad(MaskRow(tile, head) + token, tile.First, tile.KeyLength);
        }

        return scores;
    }

    private long MaskRow(AttentionTile tile, int head) => (maskHeads == 1 ? 0L : head) * tile.Length;

    /// <summary>Masks the values of four queries for a key with a constant.</summary>
    public Quad Masked(AttentionTile tile, int key, Quad value, float otherwise)
    {
        int first = tile.Past + tile.First;
        return new(
            IsVisible(first, key) ? value.X : otherwise,
            IsVisible(first + 1, key) ? value.Y : otherwise,
            IsVisible(first + 2, key) ? value.Z : otherwise,
            IsVisible(first + 3, key) ? value.W : otherwise);
    }

    /// <summary>Masks the values of a query for four keys with 0.</summary>
    public Quad MaskedBy(AttentionTile tile, int token, Quad value)
    {
        int own = tile.Past + token;
        return new(
            IsVisible(own, tile.First) ? value.X : 0f,
            IsVisible(own, tile.First + 1) ? value.Y : 0f,
            IsVisible(own, tile.First + 2) ? value.Z : 0f,
            IsVisible(own, tile.First + 3) ? value.W : 0f);
    }

    /// <summary>The first key that any of the four queries attends to.</summary>
    public int FirstKey(AttentionTile tile) => FirstVisible(tile.Past + tile.First);

    /// <summary>
    /// The end of the keys that the four queries attend to; 0 for a tile past the end of a short sequence.
    /// </summary>
    public int Keys(AttentionTile tile) =>
        tile.First >= tile.Length ? 0
        : causal != 0 ? tile.Past + Smaller(tile.First + 4, tile.Length)
        : tile.KeyLength;

    /// <summary>The first token that attends to any of the four keys.</summary>
    public int FirstToken(AttentionTile tile) =>
        causal != 0 && tile.First > tile.Past ? tile.First - tile.Past : 0;

    /// <summary>The end of the tokens that attend to any of the four keys.</summary>
    public int Tokens(AttentionTile tile) =>
        window > 0 ? Smaller(tile.Length, tile.First + 3 + window - tile.Past) : tile.Length;

    private int FirstVisible(int own) => window > 0 && own + 1 > window ? own + 1 - window : 0;

    private bool IsVisible(int own, int key) => causal == 0 || (key <= own && key >= FirstVisible(own));

    /// <summary>The row of one of the four tokens, or of the last token if it is past the end.</summary>
    public static long TokenRow(AttentionTile tile, int i) =>
        (long)tile.Start + Smaller(tile.First + i, tile.Length - 1);

    public static int Smaller(int a, int b) => a < b ? a : b;
}
