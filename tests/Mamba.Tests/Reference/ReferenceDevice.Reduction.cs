using Mamba.Memory;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    internal override void Sum(DeviceArray x, double scale, DeviceArray y)
    {
        RequireScalar(y);
        View target = ViewOf(y);
        target[0] = scale * Exact(x).Sum();
    }

    internal override void SumBackward(double scale, DeviceArray gy, DeviceArray gx)
    {
        RequireScalar(gy);
        View from = ViewOf(gy), to = ViewOf(gx);
        for (int i = 0; i < gx.Shape.Count; i++)
        {
            to[i] += scale * from[0];
        }
    }

    internal override double SumOfSquares(DeviceArray x) => Exact(x).Sum(value => value * value);

    internal override void Scale(DeviceArray x, float factor, DeviceArray y)
    {
        RequireSameShape(x, y);
        View source = ViewOf(x), target = ViewOf(y);
        for (int i = 0; i < x.Shape.Count; i++)
        {
            target[i] = factor * source[i];
        }
    }
}
