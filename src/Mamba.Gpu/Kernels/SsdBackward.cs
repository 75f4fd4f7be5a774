using ILGPU;
using Mamba.Kernels;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// Backward of <see cref="SsdOutputKernel"/>. In chunk layout: g, the gradient of the ungated output, and
/// <c>gAcross = g·exp(a_t)</c>. Per head: <c>dots = Σ g·exp(a_t)·C·h</c>, the gradient of a_t through the state before
/// the chunk, and, if the diagonal has its own weight, <c>diagonalDots = Σ g·x</c>. DimX threads share the channels of
/// a head; a group has DimY heads.
/// </summary>
internal readonly struct SsdOutputBackwardKernel(
    long rows,
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
    GpuRows gy,
    GpuRows gz,
    GpuRows g,
    GpuRows gAcross,
    GpuRows dots,
    GpuRows diagonalDots) : IKernel
{
    public void Run()
    {
        // Rows are (chunk, t, head).
        long row = ((long)Grid.IdxX * Group.DimY) + Group.IdxY;
        int place = (int)row / shape.Heads, head = (int)row - (place * shape.Heads);
        Pair ofHead = row < rows ? Head(place, head) : default;
        ofHead = RowSum.Sum(ofHead);
        if (row < rows && Group.IdxX == 0)
        {
            dots.Store(place, head, ofHead.A);
            if (diagonal.Exists)
            {
                diagonalDots.Store(place, head, ofHead.B);
            }
        }
    }

    private Pair Head(int place, int head)
    {
        int index = place / chunks.Length, chunk = firstChunk + index, t = place - (index * chunks.Length);
        bool isToken = t < chunks.Tokens(chunk);
        long token = chunks.Start(chunk) + t;
        float decay = sums.FromStart(chunk, t, head);
        float own = isToken ? diagonal.Of(token, place, head, shape.GroupOf(head)) : 0f;
        Pair dot = default;
        for (int p = Group.IdxX; p < shape.HeadDim; p += Group.DimX)
        {
            int channel = (head * shape.HeadDim) + p;
            float gradient = isToken && gy.Exists ? gy.Load(token, channel) : 0f;
            float before = decay * across.Load(place, channel);
            if (z.Exists && isToken)
            {
                float gate = z.Load(token, channel);
                float full = inside.Load(place, channel) + before
                    + ((d.Of(head, channel) + own) * x.Load(token, channel));
                if (gz.Exists)
                {
                    gz.Add(token, channel, gradient * full * Quad.DerivativeOf<Elementwise.Silu>(gate));
                }

                gradient *= Quad.Of<Elementwise.Silu>(gate);
            }

            g.Store(place, channel, gradient);
            gAcross.Store(place, channel, gradient * decay);
            dot.A += gradient * before;
            if (diagonal.Exists && isToken)
            {
                dot.B += gradient * x.Load(token, channel);
            }
        }

        return dot;
    }
}

/// <summary>
/// The gradient of x, from g and from gu, the gradient of Δ·x. Per head also <c>Σ x·gu</c>, the gradient of Δ, and
/// <c>Σ Δ·x·exp(a_last - a_t)·gToEnd</c>, the gradient of a_last - a_t through the state after the chunk. If the
/// diagonal has its own weight, also that weight's gradient. Groups as in <see cref="SsdOutputBackwardKernel"/>.
/// </summary>
internal readonly struct SsdInputBackwardKernel(
    long rows,
    GpuChunks chunks,
    int firstChunk,
    SsdShape shape,
    SsdSums sums,
    GpuRows delta,
    SsdSkip d,
    SsdDiagonal diagonal,
    GpuRows diagonalDots,
    GpuRows x,
    GpuRows g,
    GpuRows gInside,
    GpuRows gToEnd,
    GpuRows gx,
    GpuRows gDiagonal,
    GpuRows decayDots,
    GpuRows deltaDots) : IKernel
{
    public void Run()
    {
        long row = ((long)Grid.IdxX * Group.DimY) + Group.IdxY;
        int place = (int)row / shape.Heads, head = (int)row - (place * shape.Heads);
        Pair dots = row < rows ? Head(place, head) : default;
        dots = RowSum.Sum(dots);
        if (row < rows && Group.IdxX == 0)
        {
            decayDots.Store(place, head, dots.A);
            deltaDots.Store(place, head, dots.B);
        }
    }

    private Pair Head(int place, int head)
    {
        int index = place / chunks.Length, chunk = firstChunk + index, t = place - (index * chunks.Length);
        Pair dots = default;
        if (t >= chunks.Tokens(chunk))
        {
            return dots;
        }

        long token = chunks.Start(chunk) + t;
        float step = delta.Load(((long)chunk * chunks.Length) + t, head), left = sums.ToEnd(chunk, t, head);
        float own = diagonal.Of(token, place, head, shape.GroupOf(head));
        if (gDiagonal.Exists && Group.IdxX == 0)
        {
            gDiagonal.Add(
                token, head, diagonal.Product(place, shape.GroupOf(head)) * diagonalDots.Load(place, head));
        }

        for (int p = Group.IdxX; p < shape.HeadDim; p += Group.DimX)
        {
            int channel = (head * shape.HeadDim) + p;
            float value = x.Load(token, channel), behind = left * gToEnd.Load(place, channel);
            float gradient = gInside.Load(place, channel) + behind;
            if (gx.Exists)
            {
                gx.Add(token, channel, (step * gradient) + ((d.Of(head, channel) + own) * g.Load(place, channel)));
            }

            dots.A += step * value * behind;
            dots.B += value * gradient;
        }

        return dots;
    }
}

/// <summary><c>parts[chunk, channel] = Σ_t g·x</c>, the gradient of D.</summary>
internal readonly struct SsdSkipBackwardKernel(
    Plane plane, GpuChunks chunks, int firstChunk, GpuRows x, GpuRows g, GpuRows parts) : IKernel
{
    public void Run()
    {
        long index = plane.Row, column = plane.Column;
        if (!plane.Contains(index, column))
        {
            return;
        }

        int chunk = firstChunk + (int)index;
        Quad sum = default;
        for (int t = 0; t < chunks.Tokens(chunk); t++)
        {
            sum += x.LoadQuad(chunks.Start(chunk) + t, column, plane.Width)
                * g.LoadQuad((index * chunks.Length) + t, column, plane.Width);
        }

        parts.StoreQuad(index, column, plane.Width, sum);
    }
}

/// <summary><c>y[head] += Σ_p x[head, p]</c></summary>
internal readonly struct SsdHeadSumKernel(SsdShape shape, GpuRows x, GpuRows y) : IKernel
{
    public void Run()
    {
        int head = (int)Grid.GlobalLinearIndex;
        if (head < shape.Heads)
        {
            float sum = 0f;
            for (int p = 0; p < shape.HeadDim; p++)
            {
                sum += x.Load(0, (head * shape.HeadDim) + p);
            }

            y.Add(0, head, sum);
        }
    }
}

/// <summary>Adds rows in chunk layout to the rows of their tokens.</summary>
internal readonly struct SsdScatterKernel(Plane plane, GpuChunks chunks, int firstChunk, GpuRows places, GpuRows tokens)
    : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (!plane.Contains(row, column))
        {
            return;
        }

        int index = (int)row / chunks.Length, chunk = firstChunk + index, t = (int)row - (index * chunks.Length);
        if (t < chunks.Tokens(chunk))
        {
            tokens.AddQuad(
                chunks.Start(chunk) + t, column, plane.Width, places.LoadQuad(row, column, plane.Width));
        }
    }
}
