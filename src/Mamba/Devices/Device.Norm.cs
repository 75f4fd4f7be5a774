namespace Mamba.Devices;

public abstract partial class Device
{
    /// <summary>
    /// Normalises rows of <c>s = x + residual</c>: <c>y = (s - μ)/√(mean((s - μ)²) + ε)·w + b</c>, where μ is the row's
    /// mean if <paramref name="centered"/> (layer norm), else 0 (RMS norm). Residual, weight and bias may be absent; s
    /// is written to <paramref name="sum"/>, which exists if the residual does.
    /// </summary>
    internal abstract void Norm(
        DeviceArray x,
        DeviceArray residual,
        DeviceArray weight,
        DeviceArray bias,
        float epsilon,
        bool centered,
        DeviceArray y,
        DeviceArray sum);

    /// <summary>
    /// Goes back through <see cref="Norm"/> from what was normalised, <paramref name="s"/>; any gradient may be absent.
    /// </summary>
    internal abstract void NormBackward(
        DeviceArray s,
        DeviceArray weight,
        float epsilon,
        bool centered,
        DeviceArray gy,
        DeviceArray gsum,
        DeviceArray gx,
        DeviceArray gresidual,
        DeviceArray gweight,
        DeviceArray gbias);

    /// <summary>
    /// RMS norm over blocks of <paramref name="groupSize"/> columns, with a gate: <c>y = (norm(x)·w + b)·silu(z)</c> if
    /// <paramref name="normBeforeGate"/>, else <c>y = norm(x·silu(z))·w + b</c>. Weight and bias may be absent.
    /// </summary>
    internal abstract void GatedRmsNorm(
        DeviceArray x,
        DeviceArray z,
        DeviceArray weight,
        DeviceArray bias,
        float epsilon,
        int groupSize,
        bool normBeforeGate,
        DeviceArray y);

    /// <summary>Goes back through <see cref="GatedRmsNorm"/>; any gradient may be absent.</summary>
    internal abstract void GatedRmsNormBackward(
        DeviceArray x,
        DeviceArray z,
        DeviceArray weight,
        DeviceArray bias,
        float epsilon,
        int groupSize,
        bool normBeforeGate,
        DeviceArray gy,
        DeviceArray gx,
        DeviceArray gz,
        DeviceArray gweight,
        DeviceArray gbias);

    /// <summary>Throws unless all rows have one shape, and weight and bias, if any, that of one row.</summary>
    private protected static void RequireNorm(
        DeviceArray x, DeviceArray weight, DeviceArray bias, params ReadOnlySpan<DeviceArray> others)
    {
        foreach (DeviceArray other in others)
        {
            if (other.Exists)
            {
                RequireSameShape(x, other);
            }
        }

        RequireColumns(x, weight, "weight");
        RequireColumns(x, bias, "bias");
    }

    /// <summary>Throws unless a row divides into groups.</summary>
    private protected static void RequireGroups(DeviceArray x, int groupSize)
    {
        if (groupSize < 1 || x.Shape.Width % groupSize != 0)
        {
            throw new ArgumentException($"Expected a group size that divides {x.Shape.Width}; found {groupSize}.");
        }
    }

    private static void RequireColumns(DeviceArray x, DeviceArray columns, string name)
    {
        if (columns.Exists && columns.Shape != [x.Shape.Width])
        {
            throw new ArgumentException($"Expected a {name} [{x.Shape.Width}] for {x.Shape}; found {columns.Shape}.");
        }
    }
}
