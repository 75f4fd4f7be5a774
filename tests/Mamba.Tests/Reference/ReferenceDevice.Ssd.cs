using Mamba.Memory;
using Mamba.Operations;
using static Mamba.Tests.Reference.DoubleMath;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    internal override Shape SsdCheckpointShape(in SsdOperation ssd) => [0];

    internal override void Ssd(in SsdOperation ssd)
    {
        (SsdInputs inputs, SsdSizes sizes) = (ssd.Inputs, ssd.Sizes);
        View output = ViewOf(ssd.Y), final = ViewOf(ssd.FinalState), z = ViewOf(inputs.Z);
        for (int sequence = 0; sequence < sizes.Sequences.Count; sequence++)
        {
            int start = sizes.Sequences.Start(sequence), length = sizes.Sequences.Length(sequence);
            for (int head = 0; head < sizes.Heads; head++)
            {
                SsdHead one = new(inputs, sizes, sequence, head);
                double[][] h = one.States();
                for (int t = 0; t < length; t++)
                {
                    for (int p = 0; p < sizes.HeadDim; p++)
                    {
                        int channel = (head * sizes.HeadDim) + p;
                        double gate = z.Exists ? z[start + t, channel] * Sigmoid(z[start + t, channel]) : 1;
                        output[start + t, channel] = one.Output(h, t, p) * gate;
                    }
                }

                for (int i = 0; final.Exists && i < sizes.HeadDim * sizes.States; i++)
                {
                    final[one.StateOffset + i] = h[length][i];
                }
            }
        }
    }

    /// <summary>The gradients, by the recurrence backwards, one token at a time.</summary>
    internal override void SsdBackward(in SsdOperation ssd, in SsdOperation gradients)
    {
        SsdSizes sizes = ssd.Sizes;
        for (int sequence = 0; sequence < sizes.Sequences.Count; sequence++)
        {
            for (int head = 0; head < sizes.Heads; head++)
            {
                new SsdHead(ssd.Inputs, sizes, sequence, head).Backward(
                    gradients.Y, gradients.FinalState, gradients.Inputs);
            }
        }
    }

    /// <summary>
    /// One head of one sequence: the recurrence of Dao and Gu, arXiv:2405.21060, one scalar at a time.
    /// </summary>
    private readonly ref struct SsdHead(in SsdInputs inputs, SsdSizes sizes, int sequence, int head)
    {
        private readonly SsdInputs _inputs = inputs;
        private readonly View _x = ViewOf(inputs.X);
        private readonly View _delta = ViewOf(inputs.Delta);
        private readonly View _a = ViewOf(inputs.GivenA);
        private readonly View _logDecay = ViewOf(inputs.LogDecay);
        private readonly View _inputScale = ViewOf(inputs.InputScale);
        private readonly View _diagonalScale = ViewOf(inputs.DiagonalScale);
        private readonly View _b = ViewOf(inputs.B);
        private readonly View _c = ViewOf(inputs.C);
        private readonly View _d = ViewOf(inputs.D);
        private readonly View _z = ViewOf(inputs.Z);
        private readonly View _bias = ViewOf(inputs.DeltaBias);
        private readonly View _initial = ViewOf(inputs.InitialState);
        private readonly int _start = sizes.Sequences.Start(sequence);
        private readonly int _length = sizes.Sequences.Length(sequence);
        private readonly int _states = sizes.States;
        private readonly int _headDim = sizes.HeadDim;
        private readonly int _channel = head * sizes.HeadDim;
        private readonly int _group = sizes.GroupOf(head) * sizes.States;

        /// <summary>Index of the first element of the head's state.</summary>
        public int StateOffset => ((sizes.Sequences.Slot(sequence) * sizes.Heads) + head) * _headDim * _states;

        /// <summary>h before the first token, and after every token, [headDim, states].</summary>
        public double[][] States()
        {
            double[][] h = new double[_length + 1][];
            h[0] = new double[_headDim * _states];
            for (int i = 0; _initial.Exists && i < h[0].Length; i++)
            {
                h[0][i] = _initial[StateOffset + i];
            }

            for (int t = 0; t < _length; t++)
            {
                h[t + 1] = new double[_headDim * _states];
                double delta = Delta(t), decay = Decay(t);
                for (int p = 0; p < _headDim; p++)
                {
                    for (int n = 0; n < _states; n++)
                    {
                        int i = (p * _states) + n;
                        double x = _x[_start + t, _channel + p], b = _b[_start + t, _group + n];
                        h[t + 1][i] = (decay * h[t][i]) + (delta * x * b); // h ← exp(ΔA)·h + Δ·x ⊗ B
                    }
                }
            }

            return h;
        }

        /// <summary>
        /// y before the gate: C·h + D·x, unless the diagonal has its own weight. h holds the states before every token
        /// and after the last.
        /// </summary>
        public double Output(double[][] h, int t, int p)
        {
            double x = _x[_start + t, _channel + p], y = D(p) * x;
            for (int n = 0; n < _states; n++)
            {
                double c = _c[_start + t, _group + n], b = _b[_start + t, _group + n];
                double seen = _diagonalScale.Exists
                    ? (Decay(t) * h[t][(p * _states) + n]) + (_diagonalScale[_start + t, head] * b * x)
                    : h[t + 1][(p * _states) + n];
                y += c * seen;
            }

            return y;
        }

        public void Backward(DeviceArray gradientOfY, DeviceArray gradientOfFinalState, in SsdInputs gradients)
        {
            View gy = ViewOf(gradientOfY), gFinal = ViewOf(gradientOfFinalState);
            View gx = ViewOf(gradients.X), gDelta = ViewOf(gradients.Delta), ga = ViewOf(gradients.GivenA);
            View gb = ViewOf(gradients.B), gc = ViewOf(gradients.C), gd = ViewOf(gradients.D), gz = ViewOf(gradients.Z);
            View gBias = ViewOf(gradients.DeltaBias), gInitial = ViewOf(gradients.InitialState);
            View gLogDecay = ViewOf(gradients.LogDecay), gInputScale = ViewOf(gradients.InputScale);
            View gDiagonal = ViewOf(gradients.DiagonalScale);
            double[][] h = States();
            double[] gh = new double[_headDim * _states]; // gradient of h_t from everything after t
            for (int i = 0; gFinal.Exists && i < gh.Length; i++)
            {
                gh[i] = gFinal[StateOffset + i];
            }

            for (int t = _length - 1; t >= 0; t--)
            {
                int token = _start + t;
                double delta = Delta(t), decay = Decay(t), ofDecay = 0, ofDelta = 0;
                for (int p = 0; p < _headDim; p++)
                {
                    double x = _x[token, _channel + p], g = gy.Exists ? gy[token, _channel + p] : 0;
                    if (_z.Exists)
                    {
                        double z = _z[token, _channel + p], s = Sigmoid(z);
                        Add(gz, token, _channel + p, g * Output(h, t, p) * (s + (z * s * (1 - s))));
                        g *= z * s;
                    }

                    double ofX = D(p) * g;
                    if (gd.Exists)
                    {
                        gd[sizes.HasChannelD ? _channel + p : head] += g * x;
                    }

                    for (int n = 0; n < _states; n++)
                    {
                        int i = (p * _states) + n;
                        double b = _b[token, _group + n], c = _c[token, _group + n];
                        if (_diagonalScale.Exists)
                        {
                            // The output has h before the token, and the token's input with its own weight.
                            double scale = _diagonalScale[token, head];
                            Add(gc, token, _group + n, g * ((decay * h[t][i]) + (scale * b * x)));
                            Add(gb, token, _group + n, g * c * scale * x);
                            Add(gDiagonal, token, head, g * c * b * x);
                            ofX += g * c * scale * b;
                        }
                        else
                        {
                            Add(gc, token, _group + n, g * h[t + 1][i]);
                            gh[i] += g * c;
                        }

                        Add(gb, token, _group + n, gh[i] * delta * x);
                        ofX += gh[i] * delta * b;
                        ofDelta += gh[i] * x * b;
                        gh[i] += _diagonalScale.Exists ? g * c : 0;
                        ofDecay += gh[i] * decay * h[t][i];
                        gh[i] *= decay;
                    }

                    Add(gx, token, _channel + p, ofX);
                }

                Add(gLogDecay, token, head, IsDecayLimited(t) ? 0 : ofDecay);
                Add(gInputScale, token, head, ofDelta);
                if (_logDecay.Exists)
                {
                    continue;
                }

                if (ga.Exists)
                {
                    ga[head] += ofDecay * delta * (_inputs.IsALog ? A() : 1);
                }

                ofDelta = (ofDelta + (ofDecay * A())) * DeltaSlope(t);
                Add(gDelta, token, head, ofDelta);
                if (gBias.Exists)
                {
                    gBias[head] += ofDelta;
                }
            }

            for (int i = 0; gInitial.Exists && i < gh.Length; i++)
            {
                gInitial[StateOffset + i] += gh[i];
            }
        }

        private static void Add(View gradient, int row, int column, double value)
        {
            if (gradient.Exists)
            {
                gradient[row, column] += value;
            }
        }

        private double D(int p) => _d.Exists ? _d[sizes.HasChannelD ? _channel + p : head] : 0;

        private double RawDelta(int t) => _delta[_start + t, head] + (_bias.Exists ? _bias[head] : 0);

        private double UnlimitedDelta(int t) => _inputs.Softplus ? Softplus(RawDelta(t)) : RawDelta(t);

        private double Delta(int t) => _inputScale.Exists
            ? _inputScale[_start + t, head]
            : Math.Min(Math.Max(UnlimitedDelta(t), _inputs.DeltaMin), _inputs.DeltaMax);

        private bool IsDecayLimited(int t) => _logDecay.Exists && _logDecay[_start + t, head] > 0;

        private double Decay(int t) => _logDecay.Exists
            ? Math.Exp(Math.Min(_logDecay[_start + t, head], 0))
            : Math.Exp(Delta(t) * A());

        private double A() => _inputs.IsALog ? -Math.Exp(_a[head]) : _a[head];

        private double DeltaSlope(int t)
        {
            double delta = UnlimitedDelta(t);
            bool isLimited = delta < _inputs.DeltaMin || delta > _inputs.DeltaMax;
            return isLimited ? 0 : _inputs.Softplus ? Sigmoid(RawDelta(t)) : 1;
        }
    }
}
