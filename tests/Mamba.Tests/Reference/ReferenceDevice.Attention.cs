using Mamba.Operations;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    internal override void Attention(in AttentionOperation attention)
    {
        (AttentionInputs inputs, Sequences sequences) = (attention.Inputs, attention.Sequences);
        View v = ViewOf(inputs.Values), pastV = ViewOf(inputs.PastValues), target = ViewOf(attention.Y);
        int dim = inputs.HeadDim;
        for (int s = 0; s < sequences.Count; s++)
        {
            for (int head = 0; head < inputs.Heads; head++)
            {
                int shared = head * inputs.KeyValueHeads / inputs.Heads;
                for (int t = 0; t < sequences.Length(s); t++)
                {
                    double[] p = Weights(attention, s, head, t);
                    for (int i = 0; i < dim; i++)
                    {
                        double sum = 0;
                        for (int j = 0; j < p.Length; j++)
                        {
                            sum += p[j] * At(pastV, v, attention, s, j, (shared * dim) + i);
                        }

                        target[sequences.Start(s) + t, (head * dim) + i] = sum;
                    }
                }
            }
        }
    }

    internal override void AttentionBackward(in AttentionOperation attention, in AttentionOperation gradients)
    {
        (AttentionInputs inputs, Sequences sequences) = (attention.Inputs, attention.Sequences);
        AttentionInputs ofInputs = gradients.Inputs;
        View q = ViewOf(inputs.Queries), k = ViewOf(inputs.Keys), v = ViewOf(inputs.Values);
        View pastK = ViewOf(inputs.PastKeys), pastV = ViewOf(inputs.PastValues), from = ViewOf(gradients.Y);
        View gq = ViewOf(ofInputs.Queries), gk = ViewOf(ofInputs.Keys), gv = ViewOf(ofInputs.Values);
        View gPastK = ViewOf(ofInputs.PastKeys), gPastV = ViewOf(ofInputs.PastValues), gMask = ViewOf(ofInputs.Mask);
        int dim = inputs.HeadDim;
        double scale = attention.Inputs.Scale ?? (1 / Math.Sqrt(dim));
        for (int s = 0; s < sequences.Count; s++)
        {
            for (int head = 0; head < inputs.Heads; head++)
            {
                int shared = head * inputs.KeyValueHeads / inputs.Heads;
                for (int t = 0; t < sequences.Length(s); t++)
                {
                    int row = sequences.Start(s) + t;
                    double[] p = Weights(attention, s, head, t);
                    double[] gp = new double[p.Length];
                    double mean = 0;
                    for (int j = 0; j < p.Length; j++)
                    {
                        for (int i = 0; i < dim; i++)
                        {
                            gp[j] += from[row, (head * dim) + i]
                                * At(pastV, v, attention, s, j, (shared * dim) + i);
                        }

                        mean += p[j] * gp[j];
                    }

                    for (int j = 0; j < p.Length; j++)
                    {
                        double gs = p[j] * (gp[j] - mean) * scale;
                        if (gMask.Exists)
                        {
                            AddAt(gMask, MaskRow(attention, head, t), j, p[j] * (gp[j] - mean));
                        }

                        for (int i = 0; i < dim; i++)
                        {
                            (int own, int common) = ((head * dim) + i, (shared * dim) + i);
                            AddAt(gq, row, own, gs * At(pastK, k, attention, s, j, common));
                            AddAt(gPastK, gk, attention, s, j, common, gs * q[row, own]);
                            AddAt(gPastV, gv, attention, s, j, common, p[j] * from[row, own]);
                        }
                    }
                }
            }
        }
    }

    internal override void Append(in AppendOperation append)
    {
        View x = ViewOf(append.X), cache = ViewOf(append.Cache);
        for (int s = 0; s < append.Sequences.Count; s++)
        {
            for (int t = 0; t < append.Sequences.Length(s); t++)
            {
                for (int i = 0; i < append.X.Shape.Width; i++)
                {
                    cache[(int)append.Start(s) + t, i] = x[append.Sequences.Start(s) + t, i];
                }
            }
        }
    }

    internal override void Rotary(in RotaryOperation rotary)
    {
        (RotaryOptions options, Sequences sequences) = (rotary.Options, rotary.Sequences);
        View source = ViewOf(rotary.X), target = ViewOf(rotary.Y);
        int half = options.RotaryDim / 2;
        for (int s = 0; s < sequences.Count; s++)
        {
            for (int t = 0; t < sequences.Length(s); t++)
            {
                int row = sequences.Start(s) + t;
                double position = (double)options.Offset + rotary.OffsetOf(s) + t;
                for (int column = 0; column < rotary.X.Shape.Width; column++)
                {
                    int i = column % options.HeadDim;
                    if (i >= options.RotaryDim)
                    {
                        target[row, column] = source[row, column];
                        continue;
                    }

                    // The pair of an entry, and whether the entry is the pair's first.
                    int pair = options.Interleaved ? i / 2 : i % half;
                    bool first = options.Interleaved ? i % 2 == 0 : i < half;
                    int apart = options.Interleaved ? 1 : half;
                    double angle = position * Math.Pow(options.Base, -2.0 * pair / options.RotaryDim);
                    double sin = rotary.Inverse ? -Math.Sin(angle) : Math.Sin(angle);
                    target[row, column] = (source[row, column] * Math.Cos(angle))
                        + (first ? -sin * source[row, column + apart] : sin * source[row, column - apart]);
                }
            }
        }
    }

    /// <summary>The softmax of a query's scores over the keys that it attends to.</summary>
    private static double[] Weights(in AttentionOperation attention, int s, int head, int t)
    {
        (AttentionInputs inputs, Sequences sequences) = (attention.Inputs, attention.Sequences);
        View q = ViewOf(inputs.Queries), k = ViewOf(inputs.Keys), pastK = ViewOf(inputs.PastKeys);
        View mask = ViewOf(inputs.Mask);
        (int dim, int past) = (inputs.HeadDim, attention.Past(s));
        int shared = head * inputs.KeyValueHeads / inputs.Heads;
        double scale = inputs.Scale ?? (1 / Math.Sqrt(dim));
        double[] scores = new double[inputs.Causal ? past + t + 1 : attention.KeyLength(s)];
        for (int j = 0; j < scores.Length; j++)
        {
            if (inputs.Window > 0 && j < scores.Length - inputs.Window)
            {
                scores[j] = double.NegativeInfinity;
                continue;
            }

            for (int i = 0; i < dim; i++)
            {
                scores[j] += q[sequences.Start(s) + t, (head * dim) + i]
                    * At(pastK, k, attention, s, j, (shared * dim) + i) * scale;
            }

            scores[j] += mask.Exists ? mask[MaskRow(attention, head, t), j] : 0;
        }

        double largest = scores.DefaultIfEmpty().Max();
        if (double.IsNegativeInfinity(largest))
        {
            return new double[scores.Length];
        }

        double[] weights = System.Array.ConvertAll(scores, score => Math.Exp(score - largest));
        double sum = weights.Sum();
        return System.Array.ConvertAll(weights, weight => weight / sum);
    }

    private static int MaskRow(in AttentionOperation attention, int head, int t) =>
        (attention.MaskOf(head) * attention.Inputs.Mask.Shape[1]) + t;

    private static double At(View past, View present, in AttentionOperation attention, int s, int j, int column) =>
        j < attention.Past(s)
            ? past[PastRow(attention, s, j), column]
            : present[attention.KeyStart(s) + j - attention.Past(s), column];

    private static int PastRow(in AttentionOperation attention, int s, int j) =>
        (attention.Sequences.Slot(s) * attention.Inputs.PastCapacity) + j;

    private static void AddAt(View view, int row, int column, double value)
    {
        if (view.Exists)
        {
            view[row, column] += value;
        }
    }

    private static void AddAt(
        View past, View present, in AttentionOperation attention, int s, int j, int column, double value)
    {
        if (j < attention.Past(s))
        {
            AddAt(past, PastRow(attention, s, j), column, value);
        }
        else
        {
            AddAt(present, attention.KeyStart(s) + j - attention.Past(s), column, value);
        }
    }
}
