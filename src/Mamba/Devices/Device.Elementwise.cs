using Mamba.Memory;
using Mamba.Simd;

namespace Mamba.Devices;

public abstract partial class Device
{
    /// <summary>Sets every element to a value.</summary>
    internal abstract void Fill(DeviceArray y, float value);

    /// <summary>Computes <c>y = x</c>, of equal shapes.</summary>
    internal abstract void Copy(DeviceArray x, DeviceArray y);

    /// <summary>Computes <c>y = x</c> if they are two arrays.</summary>
    private protected void CopyUnlessSame(DeviceArray x, DeviceArray y)
    {
        if (x.Storage != y.Storage)
        {
            Copy(x, y);
        }
    }

    /// <summary>Computes <c>y += scale·x</c>, of equal shapes.</summary>
    internal abstract void AddScaled(DeviceArray x, float scale, DeviceArray y);

    /// <summary>Computes <c>gradient += term</c> if the gradient exists.</summary>
    internal void AddIfWanted(DeviceArray term, DeviceArray gradient)
    {
        if (gradient.Exists)
        {
            AddScaled(term, 1f, gradient);
        }
    }

    /// <summary>Computes <c>y = f(x)</c>, of equal shapes; y may be x.</summary>
    internal abstract void Map<TOp>(DeviceArray x, DeviceArray y)
        where TOp : struct, IMap;

    /// <summary>Computes <c>gx += gy·f'(x)</c>.</summary>
    internal abstract void MapBackward<TOp>(DeviceArray x, DeviceArray gy, DeviceArray gx)
        where TOp : struct, IMap;

    /// <summary>Computes <c>y = f(a, b)</c>, of equal shapes; y may be either input.</summary>
    internal abstract void Zip<TOp>(DeviceArray a, DeviceArray b, DeviceArray y)
        where TOp : struct, IZip;

    /// <summary>Computes <c>ga += gy·∂f/∂a</c> and <c>gb += gy·∂f/∂b</c>; either gradient may be absent.</summary>
    internal abstract void ZipBackward<TOp>(
        DeviceArray a, DeviceArray b, DeviceArray gy, DeviceArray ga, DeviceArray gb)
        where TOp : struct, IZip;

    /// <summary>Computes <c>y[j] += Σ_i x[i, j]</c>, in row order.</summary>
    internal abstract void AddColumnSums(DeviceArray x, DeviceArray y);

    /// <summary>Throws unless two arrays have the same shape.</summary>
    private protected static void RequireSameShape(DeviceArray x, DeviceArray y)
    {
        if (x.Shape != y.Shape)
        {
            throw new ArgumentException($"Expected equal shapes; found {x.Shape} and {y.Shape}.");
        }
    }
}
