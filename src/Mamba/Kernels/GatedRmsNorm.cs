using Mamba.Simd;

namespace Mamba.Kernels;

/// <summary>
/// RMS norm of one row or group with a gate: <c>norm(x)·silu(z)</c>, or <c>norm(x·silu(z))</c>.
/// </summary>
/// <remarks>Dao and Gu, arXiv:2405.21060, section 7.3. Steps after the first read from cache.</remarks>
internal static unsafe class GatedRmsNorm
{
    public static void Forward(
        float* x, float* z, float* weight, float* bias, float epsilon, bool normBeforeGate, float* y, int width)
    {
        if (normBeforeGate)
        {
            Norm.Forward(x, weight, bias, epsilon, centered: false, y, width);
            Zip.Run<Elementwise.Gate>(y, z, y, width);
        }
        else
        {
            Zip.Run<Elementwise.Gate>(x, z, y, width);
            Norm.Forward(y, weight, bias, epsilon, centered: false, y, width);
        }
    }

    /// <summary>
    /// Adds the row's part to the gradients that are not null. <c>inner</c> is scratch for a row: the recomputed result
    /// of the first step, norm or gate. <c>ginner</c> is scratch for its gradient.
    /// </summary>
    public static void Backward(
        float* x,
        float* z,
        float* weight,
        float* bias,
        float epsilon,
        bool normBeforeGate,
        float* gy,
        float* gx,
        float* gz,
        float* gweight,
        float* gbias,
        float* inner,
        float* ginner,
        int width)
    {
        new Span<float>(ginner, width).Clear();
        if (normBeforeGate)
        {
            Norm.Forward(x, weight, bias, epsilon, centered: false, inner, width);
            Zip.RunBackward<Elementwise.Gate>(inner, z, gy, ginner, gz, width);
            Norm.Backward(x, weight, epsilon, centered: false, ginner, null, gx, null, gweight, gbias, width);
        }
        else
        {
            Zip.Run<Elementwise.Gate>(x, z, inner, width);
            Norm.Backward(inner, weight, epsilon, centered: false, gy, null, ginner, null, gweight, gbias, width);
            Zip.RunBackward<Elementwise.Gate>(x, z, ginner, gx, gz, width);
        }
    }
}
