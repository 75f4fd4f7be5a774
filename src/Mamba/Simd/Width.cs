using System.Runtime.Intrinsics;

namespace Mamba.Simd;

/// <summary>The register widths that this machine computes with; the JIT folds each to a constant.</summary>
internal static class Width
{
    public static bool Has512 => Vector512.IsHardwareAccelerated;

    public static bool Has256 => Vector256.IsHardwareAccelerated;

    public static bool Has128 => Vector128.IsHardwareAccelerated;
}
