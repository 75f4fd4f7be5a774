using System.Runtime.InteropServices;
using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// Four adjacent elements of a row. A thread loads them at once, because only wide accesses reach the bandwidth of
/// device memory.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Quad(float x, float y, float z, float w)
{
    public float X = x;
    public float Y = y;
    public float Z = z;
    public float W = w;

    public readonly float Sum => (X + Y) + (Z + W);

    /// <summary>The largest element; NaN if one is NaN.</summary>
    public readonly float Largest =>
        GpuLane.Max(GpuLane.Max(new(X), new(Y)), GpuLane.Max(new(Z), new(W))).Value;

    /// <summary>The first <paramref name="left"/> elements; the others become <paramref name="otherwise"/>.</summary>
    public readonly Quad Take(long left, float otherwise) =>
        new(X, left > 1 ? Y : otherwise, left > 2 ? Z : otherwise, left > 3 ? W : otherwise);

    /// <summary>One of the four elements.</summary>
    public readonly float At(int place) => place == 0 ? X : place == 1 ? Y : place == 2 ? Z : W;

    /// <summary>A copy with one of the four elements replaced.</summary>
    public readonly Quad With(int place, float value) => new(
        place == 0 ? value : X, place == 1 ? value : Y, place == 2 ? value : Z, place == 3 ? value : W);

    public static Quad operator +(Quad a, Quad b) => new(a.X + b.X, a.Y + b.Y, a.Z + b.Z, a.W + b.W);

    public static Quad operator -(Quad a, Quad b) => new(a.X - b.X, a.Y - b.Y, a.Z - b.Z, a.W - b.W);

    public static Quad operator *(Quad a, Quad b) => new(a.X * b.X, a.Y * b.Y, a.Z * b.Z, a.W * b.W);

    public static Quad operator *(Quad a, float b) => new(a.X * b, a.Y * b, a.Z * b, a.W * b);

    /// <summary>The element-wise maximum; NaN if either is NaN.</summary>
    public static Quad Max(Quad a, Quad b) => new(
        GpuLane.Max(new(a.X), new(b.X)).Value,
        GpuLane.Max(new(a.Y), new(b.Y)).Value,
        GpuLane.Max(new(a.Z), new(b.Z)).Value,
        GpuLane.Max(new(a.W), new(b.W)).Value);

    public static Quad Broadcast(float value) => new(value, value, value, value);

    public static Quad Map<TOp>(Quad x)
        where TOp : struct, IMap =>
        new(Of<TOp>(x.X), Of<TOp>(x.Y), Of<TOp>(x.Z), Of<TOp>(x.W));

    public static Quad Derivative<TOp>(Quad x)
        where TOp : struct, IMap =>
        new(DerivativeOf<TOp>(x.X), DerivativeOf<TOp>(x.Y), DerivativeOf<TOp>(x.Z), DerivativeOf<TOp>(x.W));

    public static Quad Zip<TOp>(Quad a, Quad b)
        where TOp : struct, IZip =>
        new(Of<TOp>(a.X, b.X), Of<TOp>(a.Y, b.Y), Of<TOp>(a.Z, b.Z), Of<TOp>(a.W, b.W));

    public static Quad DerivativeA<TOp>(Quad a, Quad b)
        where TOp : struct, IZip =>
        new(DerivativeAOf<TOp>(a.X, b.X), DerivativeAOf<TOp>(a.Y, b.Y),
            DerivativeAOf<TOp>(a.Z, b.Z), DerivativeAOf<TOp>(a.W, b.W));

    public static Quad DerivativeB<TOp>(Quad a, Quad b)
        where TOp : struct, IZip =>
        new(DerivativeBOf<TOp>(a.X, b.X), DerivativeBOf<TOp>(a.Y, b.Y),
            DerivativeBOf<TOp>(a.Z, b.Z), DerivativeBOf<TOp>(a.W, b.W));

    /// <summary>The value of an operator at one number.</summary>
    public static float Of<TOp>(float x)
        where TOp : struct, IMap => TOp.Apply(new GpuLane(x)).Value;

    public static float DerivativeOf<TOp>(float x)
        where TOp : struct, IMap => TOp.Derivative(new GpuLane(x)).Value;

    private static float Of<TOp>(float a, float b)
        where TOp : struct, IZip => TOp.Apply(new GpuLane(a), new GpuLane(b)).Value;

    private static float DerivativeAOf<TOp>(float a, float b)
        where TOp : struct, IZip => TOp.DerivativeA(new GpuLane(a), new GpuLane(b)).Value;

    private static float DerivativeBOf<TOp>(float a, float b)
        where TOp : struct, IZip => TOp.DerivativeB(new GpuLane(a), new GpuLane(b)).Value;
}
