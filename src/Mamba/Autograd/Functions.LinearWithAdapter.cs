using Mamba.Devices;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Computes <c>y = x·Wᵀ + b + scale·(x·Aᵀ)·Bᵀ</c>: a linear map and a correction of low rank.</summary>
    /// <param name="x">The input, [K], [length, K] or [.., length, K].</param>
    /// <param name="weight">W, [N, K].</param>
    /// <param name="bias">b, [N], or <c>default</c>.</param>
    /// <param name="adapterA">A, [rank, K].</param>
    /// <param name="adapterB">B, [N, rank].</param>
    /// <param name="scale">Factor of the correction.</param>
    /// <returns>The output, of the shape of x with N for K.</returns>
    /// <exception cref="ArgumentException">The shapes do not fit together.</exception>
    /// <remarks>
    /// Hu et al., <see href="https://arxiv.org/abs/2106.09685"/>, eq. 3. Where B is zero, y has the bits of
    /// <see cref="Linear"/>.
    /// </remarks>
    public static DeviceArray LinearWithAdapter(
        DeviceArray x, DeviceArray weight, DeviceArray bias, DeviceArray adapterA, DeviceArray adapterB, float scale)
    {
        Device device = Require(x);
        Require(weight);
        Require(adapterA);
        Require(adapterB);
        bool follows = Tape.Follows(x, weight, bias, adapterA, adapterB);
        DeviceArray y = device.AllocateActivation(x.Shape.WithWidth(weight.Shape[0]));
        DeviceArray low = device.AllocateActivation(x.Shape.WithWidth(adapterA.Shape[0]));
        device.Linear(x, weight, bias, y);
        device.Linear(x, adapterA, default, low);
        device.Scale(low, scale, low);
        device.MatMul(low, false, adapterB, true, y, accumulate: true);
        if (follows)
        {
            RecordLinearWithAdapter(device.Tape!, x, weight, bias, adapterA, adapterB, scale, low, y);
        }

        return y;
    }

    private static void RecordLinearWithAdapter(
        Tape tape,
        DeviceArray x,
        DeviceArray weight,
        DeviceArray bias,
        DeviceArray a,
        DeviceArray b,
        float scale,
        DeviceArray low,
        DeviceArray y) =>
        tape.Record(
            [y],
            () =>
            {
                DeviceArray gy = tape.GradientOf(y);
                LinearBackward(tape, x, weight, bias, gy);
                AdapterBackward(tape, x, a, b, scale, low, gy);
            });

    private static void AdapterBackward(
        Tape tape, DeviceArray x, DeviceArray a, DeviceArray b, float scale, DeviceArray low, DeviceArray gy)
    {
        Device device = x.Device;
        DeviceArray gx = tape.Wanted(x), ga = tape.Wanted(a), gb = tape.Wanted(b);
        if (gb.Exists)
        {
            device.MatMul(gy, true, low, false, gb, accumulate: true); // gB += gyᵀ·(scale·x·Aᵀ)
        }

        if (!gx.Exists && !ga.Exists)
        {
            return;
        }

        using DeviceScope scope = device.Scope();
        DeviceArray glow = device.Allocate(low.Shape);
        device.MatMul(gy, false, b, false, glow, accumulate: false);
        device.Scale(glow, scale, glow);
        if (gx.Exists)
        {
            device.MatMul(glow, false, a, false, gx, accumulate: true); // gx += (scale·gy·B)·A
        }

        if (ga.Exists)
        {
            device.MatMul(glow, true, x, false, ga, accumulate: true); // gA += (scale·gy·B)ᵀ·x
        }
    }
}
