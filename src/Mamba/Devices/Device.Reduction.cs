using Mamba.Memory;

namespace Mamba.Devices;

public abstract partial class Device
{
    /// <summary>Computes <c>y[0] = scale·Σ x</c> over all elements.</summary>
    internal abstract void Sum(DeviceArray x, double scale, DeviceArray y);

    /// <summary>Computes <c>gx += scale·gy[0]</c>.</summary>
    internal abstract void SumBackward(double scale, DeviceArray gy, DeviceArray gx);

    /// <summary>Computes <c>Σ x²</c> over all elements and returns it to the host.</summary>
    internal abstract double SumOfSquares(DeviceArray x);

    /// <summary>Computes <c>y = factor·x</c>, of equal shapes; y may be x.</summary>
    internal abstract void Scale(DeviceArray x, float factor, DeviceArray y);

    /// <summary>Computes the softmax of each row; y may be x.</summary>
    internal abstract void Softmax(DeviceArray x, DeviceArray y);

    /// <summary>Computes <c>gx += y·(gy - Σ gy·y)</c> for each row; y is the softmax.</summary>
    internal abstract void SoftmaxBackward(DeviceArray y, DeviceArray gy, DeviceArray gx);

    /// <summary>Throws unless an array has one element.</summary>
    private protected static void RequireScalar(DeviceArray array)
    {
        if (array.Shape.Count != 1)
        {
            throw new ArgumentException($"Expected one element; found {array.Shape}.");
        }
    }
}
