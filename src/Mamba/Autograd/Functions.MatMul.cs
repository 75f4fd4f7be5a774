using Mamba.Devices;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes <c>y = x·Wᵀ + b</c> for every row of x.</summary>
    /// <param name="x">The input, [K], [length, K] or [.., length, K].</param>
    /// <param name="weight">W, [N, K]: a row for each output, as checkpoints store it.</param>
    /// <param name="bias">b, [N]; absent by default.</param>
    /// <returns>The output, of the shape of x with N for K.</returns>
    /// <exception cref="ArgumentException">The shapes do not fit together.</exception>
    /// <remarks>
    /// A sequence gives the same bits alone and in a batch. In a short sequence the sums run in another order than in a
    /// long one, so that one token after the other agrees with the whole up to rounding.
    /// </remarks>
    public static DeviceArray Linear(DeviceArray x, DeviceArray weight, DeviceArray bias = default)
    {
        Device device = Require(x);
        Require(weight);
        bool follows = Tape.Follows(x, weight, bias);
        DeviceArray y = device.AllocateActivation(x.Shape.WithWidth(weight.Shape[0]));
        device.Linear(x, weight, bias, y);
        if (follows)
        {
            RecordLinear(device.Tape!, x, weight, bias, y);
        }

        return y;
    }

    /// <summary>Computes the matrix product <c>op(A)·op(B)</c>; op transposes where it is asked to.</summary>
    /// <param name="a">A, [M, K]; [K, M] where it is transposed. Leading axes count as rows.</param>
    /// <param name="b">B, [K, N]; [N, K] where it is transposed. Leading axes count as rows.</param>
    /// <param name="transposeA">Whether to transpose A.</param>
    /// <param name="transposeB">Whether to transpose B.</param>
    /// <returns>The product, [M, N].</returns>
    /// <exception cref="ArgumentException">The shapes do not fit together.</exception>
    public static DeviceArray MatMul(DeviceArray a, DeviceArray b, bool transposeA = false, bool transposeB = false)
    {
        Device device = Require(a);
        Require(b);
        bool follows = Tape.Follows(a, b);
        nint rows = transposeA ? a.Shape.Width : a.Shape.Rows, columns = transposeB ? b.Shape.Rows : b.Shape.Width;
        DeviceArray c = device.AllocateActivation([checked((int)rows), checked((int)columns)]);
        device.MatMul(a, transposeA, b, transposeB, c, accumulate: false);
        if (follows)
        {
            RecordMatMul(device.Tape!, a, transposeA, b, transposeB, c);
        }

        return c;
    }

    private static void RecordLinear(
        Tape tape, DeviceArray x, DeviceArray weight, DeviceArray bias, DeviceArray y) =>
        tape.Record([y], () => LinearBackward(tape, x, weight, bias, tape.GradientOf(y)));

    private static void LinearBackward(Tape tape, DeviceArray x, DeviceArray weight, DeviceArray bias, DeviceArray gy)
    {
        DeviceArray gx = tape.Wanted(x), gw = tape.Wanted(weight), gb = tape.Wanted(bias);
        if (gx.Exists)
        {
            x.Device.MatMul(gy, false, weight, false, gx, accumulate: true); // gx += gy·W
        }

        if (gw.Exists)
        {
            x.Device.MatMul(gy, true, x, false, gw, accumulate: true); // gW += gyᵀ·x
        }

        if (gb.Exists)
        {
            x.Device.AddColumnSums(gy, gb);
        }
    }

    private static void RecordMatMul(
        Tape tape, DeviceArray a, bool transposeA, DeviceArray b, bool transposeB, DeviceArray c) =>
        tape.Record([c], () => MatMulBackward(tape, a, transposeA, b, transposeB, tape.GradientOf(c)));

    private static void MatMulBackward(
        Tape tape, DeviceArray a, bool transposeA, DeviceArray b, bool transposeB, DeviceArray gc)
    {
        // C = P·Q with P = op(A), Q = op(B): gP = gC·Qᵀ and gQ = Pᵀ·gC; transposed where the factor is.
        DeviceArray ga = tape.Wanted(a), gb = tape.Wanted(b);
        if (ga.Exists && transposeA)
        {
            a.Device.MatMul(b, transposeB, gc, true, ga, accumulate: true); // (gC·Qᵀ)ᵀ = Q·gCᵀ
        }
        else if (ga.Exists)
        {
            a.Device.MatMul(gc, false, b, !transposeB, ga, accumulate: true);
        }

        if (gb.Exists && transposeB)
        {
            a.Device.MatMul(gc, true, a, transposeA, gb, accumulate: true); // (Pᵀ·gC)ᵀ = gCᵀ·P
        }
        else if (gb.Exists)
        {
            a.Device.MatMul(a, !transposeA, gc, false, gb, accumulate: true);
        }
    }
}
