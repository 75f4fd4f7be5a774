using ILGPU;
using Mamba.Kernels;
using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// The SSD token by token, for a step and for short sequences: <c>h ← exp(ΔA)·h + Δ·x ⊗ B</c>, <c>y = h·C + D·x</c>,
/// gated. A group has DimY channels of a head; DimX threads share the states of a channel. The state stays in memory.
/// </summary>
/// <param name="sequences">The sequences.</param>
/// <param name="longest">Longer sequences are skipped.</param>
/// <param name="shape">Sizes.</param>
/// <param name="step">Δ and the decays.</param>
/// <param name="x">Rows of tokens.</param>
/// <param name="b">Rows of tokens.</param>
/// <param name="c">Rows of tokens.</param>
/// <param name="d">The skip connection.</param>
/// <param name="diagonal">The weight γ of a token's input in its own output; Δ if absent.</param>
/// <param name="z">The gate; optional.</param>
/// <param name="initial">h before each sequence: rows (sequence, head, channel); optional.</param>
/// <param name="states">h after each sequence, in the same rows.</param>
/// <param name="y">Rows of tokens.</param>
internal readonly struct SsdTokenKernel(
    GpuSequences sequences,
    int longest,
    SsdShape shape,
    SsdStep step,
    GpuRows x,
    GpuRows b,
    GpuRows c,
    SsdSkip d,
    GpuRows diagonal,
    GpuRows z,
    GpuRows initial,
    GpuRows states,
    GpuRows y) : IKernel
{
    public void Run()
    {
        int tiles = (shape.HeadDim + Group.DimY - 1) / Group.DimY;
        int tile = Grid.IdxX % tiles, head = Grid.IdxX / tiles % shape.Heads;
        int sequence = Grid.IdxX / tiles / shape.Heads;
        int first = sequences.Start(sequence), tokens = sequences.Length(sequence);
        int p = (tile * Group.DimY) + Group.IdxY, channel = (head * shape.HeadDim) + p;
        bool isInside = p < shape.HeadDim;
        long row = ((long)sequences.Slot(sequence) * shape.Channels) + channel;
        if (tokens > longest)
        {
            tokens = 0; // the same for all threads of the group
            isInside = false;
        }
        else if (tokens == 0 && isInside)
        {
            for (int n = 4 * Group.IdxX; n < shape.States; n += 4 * Group.DimX)
            {
                states.StoreQuad(
                    row, n, shape.States, initial.Exists ? initial.LoadQuad(row, n, shape.States) : default);
            }
        }

        float a = step.A(head);
        for (int t = 0; t < tokens; t++)
        {
            Token(first + t, t == 0, head, channel, row, isInside, a);
        }
    }

    private void Token(long token, bool isFirst, int head, int channel, long row, bool isInside, float a)
    {
        int group = shape.GroupOf(head) * shape.States;
        float delta = step.Of(step.Input(token, head));
        float kept = LaneMath.Exp(new GpuLane(SsdStep.Exponent(step.LogDecay(token, head, delta, a)))).Value;
        float change = diagonal.Exists ? diagonal.Load(token, head) - delta : 0f;
        float input = isInside ? x.Load(token, channel) : 0f;
        float sum = 0f;
        if (isInside)
        {
            for (int n = 4 * Group.IdxX; n < shape.States; n += 4 * Group.DimX)
            {
                Quad h = default;
                if (!isFirst)
                {
                    h = states.LoadQuad(row, n, shape.States);
                }
                else if (initial.Exists)
                {
                    h = initial.LoadQuad(row, n, shape.States);
                }

                Quad bn = Coupling(b, token, group, n), cn = Coupling(c, token, group, n);
                h = (h * kept) + (bn * (delta * input));
                states.StoreQuad(row, n, shape.States, h);
                sum += (h * cn).Sum;
                if (diagonal.Exists)
                {
                    sum += (bn * cn).Sum * (change * input);
                }
            }
        }

        sum = RowSum.Sum(sum);
        if (isInside && Group.IdxX == 0)
        {
            float value = sum + (d.Of(head, channel) * input);
            y.Store(token, channel, z.Exists ? value * Quad.Of<Elementwise.Silu>(z.Load(token, channel)) : value);
        }
    }

    private Quad Coupling(GpuRows rows, long token, int group, int n) =>
        new(Part(rows, token, group, n), Part(rows, token, group, n + 1),
            Part(rows, token, group, n + 2), Part(rows, token, group, n + 3));

    private float Part(GpuRows rows, long token, int group, int n) =>
        n < shape.States ? rows.Load(token, group + n) : 0f;
}
