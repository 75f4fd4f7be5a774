using Mamba.Kernels;

namespace Mamba.Gpu.Kernels;

/// <summary>D of an SSD: absent, one number per head, or one per channel.</summary>
internal readonly struct SsdSkip(GpuRows d, bool perChannel)
{
    private readonly int _perChannel = perChannel ? 1 : 0;

    public bool Exists => d.Exists;

    public bool IsPerChannel => _perChannel != 0;

    public float Of(int head, int channel) => d.Exists ? d.Load(0, _perChannel != 0 ? channel : head) : 0f;
}

/// <summary>
/// The diagonal of an SSD if it has its own weight γ: <c>γ_t·(C_t·B_t)</c>, which multiplies x as D does.
/// </summary>
/// <param name="scale">γ, rows of tokens; absent if the diagonal has no weight of its own.</param>
/// <param name="products">C_t·B_t in chunk layout, one column per group.</param>
internal readonly struct SsdDiagonal(GpuRows scale, GpuRows products)
{
    public bool Exists => scale.Exists;

    /// <summary>γ of a token.</summary>
    public float Scale(long token, int head) => scale.Load(token, head);

    /// <summary>C·B of a row in chunk layout.</summary>
    public float Product(long place, int group) => products.Load(place, group);

    /// <summary>The factor of x; 0 if the diagonal has no weight of its own.</summary>
    public float Of(long token, long place, int head, int group) =>
        scale.Exists ? scale.Load(token, head) * products.Load(place, group) : 0f;

    /// <summary>Stores C·B of a row in chunk layout.</summary>
    public void Store(long place, int group, float product) => products.Store(place, group, product);
}

/// <summary>
/// <c>y = (inside + exp(a_t)·across + D·x)·silu(z)</c>: the diagonal block, the inter-chunk term, and the skip
/// connection, to which the diagonal is added if it has its own weight.
/// </summary>
internal readonly struct SsdOutputKernel(
    Plane plane,
    GpuChunks chunks,
    int firstChunk,
    SsdShape shape,
    SsdSums sums,
    GpuRows inside,
    GpuRows across,
    SsdSkip d,
    SsdDiagonal diagonal,
    GpuRows x,
    GpuRows z,
    GpuRows y) : IKernel
{
    public void Run()
    {
        long row = plane.Row;
        int column = (int)plane.Column;
        if (!plane.Contains(row, column))
        {
            return;
        }

        int index = (int)row / chunks.Length, chunk = firstChunk + index, t = (int)row - (index * chunks.Length);
        if (t >= chunks.Tokens(chunk))
        {
            return;
        }

        long token = chunks.Start(chunk) + t;
        QuadWords own = inside.LoadWords(row, column, plane.Width), before = across.LoadWords(row, column, plane.Width);
        QuadWords input = x.LoadWords(token, column, plane.Width);
        Quad gate = z.Exists ? z.LoadQuad(token, column, plane.Width) : default;
        Quad value = own.Value + (before.Value * Decays(chunk, t, column)) + (input.Value * Skips(token, row, column));
        if (z.Exists)
        {
            value *= Quad.Map<Elementwise.Silu>(gate);
        }

        y.StoreQuad(token, column, plane.Width, value);
    }

    private Quad Decays(int chunk, int t, int column) => shape.IsInOneHead(column)
        ? Quad.Broadcast(Decay(chunk, t, column))
        : new(
            Decay(chunk, t, column),
            Decay(chunk, t, column + 1),
            Decay(chunk, t, column + 2),
            Decay(chunk, t, column + 3));

    private float Decay(int chunk, int t, int column) =>
        column < plane.Width ? sums.FromStart(chunk, t, shape.HeadOf(column)) : 0f;

    private Quad Skips(long token, long place, int column) => d.Exists || diagonal.Exists
        ? new(
            Skip(token, place, column),
            Skip(token, place, column + 1),
            Skip(token, place, column + 2),
            Skip(token, place, column + 3))
        : default;

    private float Skip(long token, long place, int column)
    {
        int head = shape.HeadOf(column);
        return column < plane.Width
            ? d.Of(head, column) + diagonal.Of(token, place, head, shape.GroupOf(head))
            : 0f;
    }
}
