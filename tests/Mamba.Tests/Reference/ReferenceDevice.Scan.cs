using System.Numerics;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    internal override int ScanChunkLength => 64;

    internal override void SelectiveScan(in ScanOperation scan)
    {
        ScanSizes sizes = scan.Sizes;
        ScanReader reader = new(scan.Inputs, sizes);
        View target = ViewOf(scan.Y);
        StateView finalState = new(scan.FinalState, sizes);
        ForEachChannel(sizes, (sequence, channel) =>
        {
            Complex[] h = reader.InitialState(sequence, channel);
            for (int i = 0; i < sizes.Sequences.Length(sequence); i++)
            {
                int token = sizes.Sequences.Start(sequence) + i;
                reader.Advance(token, channel, h);
                target[token, channel] = reader.Output(token, channel, h) * reader.Gate(token, channel);
            }

            finalState.Set(sequence, channel, h);
        });
    }

    internal override void SelectiveScanBackward(in ScanOperation scan, in ScanOperation gradients)
    {
        ScanSizes sizes = scan.Sizes;
        ScanReader reader = new(scan.Inputs, sizes);
        ScanWriter writer = new(scan.Inputs, gradients.Inputs, sizes);
        View fromY = ViewOf(gradients.Y);
        DeviceArray gFinalState = gradients.FinalState;
        ForEachChannel(sizes, (sequence, channel) =>
        {
            // before[i] is the state before token i.
            int start = sizes.Sequences.Start(sequence), length = sizes.Sequences.Length(sequence);
            List<Complex[]> before = [reader.InitialState(sequence, channel)];
            for (int i = 0; i < length; i++)
            {
                Complex[] h = [.. before[i]];
                reader.Advance(start + i, channel, h);
                before.Add(h);
            }

            Complex[] g = gFinalState.Exists
                ? new StateView(gFinalState, sizes).Get(sequence, channel)
                : new Complex[sizes.States];
            for (int i = length - 1; i >= 0; i--)
            {
                double upstream = fromY.Exists ? fromY[start + i, channel] : 0;
                BackwardToken(reader, writer, start + i, channel, upstream, before[i], before[i + 1], g);
            }

            writer.InitialState(sequence, channel, g);
        });
    }

    /// <summary>
    /// Computes the gradient of h_{t-1} from <paramref name="g"/>, that of h_t. The gradient of a complex number is
    /// that of its real part plus i times that of its imaginary part.
    /// </summary>
    private static void BackwardToken(
        ScanReader reader,
        ScanWriter writer,
        int token,
        int channel,
        double gy,
        Complex[] before,
        Complex[] after,
        Complex[] g)
    {
        double x = reader.X(token, channel), delta = reader.Delta(token, channel), gDelta = 0;
        double gOutput = gy * reader.Gate(token, channel);
        writer.Z(token, channel, gy * reader.Output(token, channel, after) * reader.GateSlope(token, channel));
        writer.D(channel, gOutput * x);
        writer.X(token, channel, gOutput * reader.D(channel));
        for (int n = 0; n < g.Length; n++)
        {
            Complex a = reader.A(n, channel), b = reader.B(token, n, channel), c = reader.C(token, n, channel);
            Complex decay = Complex.Exp(delta * a);
            g[n] += reader.Weight * gOutput * Complex.Conjugate(c);                          // y = w·Re(C·h)
            writer.C(token, n, channel, reader.Weight * gOutput * Complex.Conjugate(after[n]));
            writer.B(token, n, channel, g[n] * delta * x);                                   // h = e·h' + Δ·B·x
            double along = (Complex.Conjugate(b) * g[n]).Real;
            writer.X(token, channel, along * delta);
            Complex exponent = Complex.Conjugate(decay * before[n]) * g[n];                  // of Δ·A
            gDelta += (along * x) + (Complex.Conjugate(a) * exponent).Real;
            writer.A(n, channel, a, exponent * delta);
            g[n] *= Complex.Conjugate(decay);
        }

        writer.Delta(token, channel, gDelta * reader.DeltaSlope(token, channel));
    }

    private static void ForEachChannel(ScanSizes sizes, Action<int, int> action)
    {
        for (int sequence = 0; sequence < sizes.Sequences.Count; sequence++)
        {
            for (int channel = 0; channel < sizes.Channels; channel++)
            {
                action(sequence, channel);
            }
        }
    }
}
