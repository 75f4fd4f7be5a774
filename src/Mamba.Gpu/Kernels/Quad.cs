using System.Runtime.InteropServices;
using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// Four neighbours of a row: what a thread reads at once, for a device's memory is fast only in wide pieces.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Quad(float x, float y, float z, float w)
{
    public float X = x;
    public float Y = y;
    public float Z = z;
    public float W = w;

    public readonly float Sum => (X + Y) + (Z + W);

    /// <summary>The largest; NaN where there is one.</summary>
    public readonly float Largest =>
        GpuLane.Max(GpuLane.Max(new(X), new(Y)), GpuLane.Max(new(Z), new(W))).Value;

    /// <summary>The first numbers, <paramref name="left"/> of which are left of a row, and another.</summary>
    public readonly Quad Take(long left, float otherwise) =>
        new(X, left > 1 ? Y : otherwise, left > 2 ? Z : otherwise, left > 3 ? W : otherwise);

    /// <summary>The number in one of the four places.</summary>
    public readonly float At(int place) => place == 0 ? X : place == 1 ? Y : place == 2 ? Z : W;

    /// <summary>The same with another number in one of the four places.</summary>
    public readonly Quad With(int place, float value) => new(
        place == 0 ? value : X, place == 1 ? value : Y, place == 2 ? value : Z, place == 3 ? value : W);

    public static Quad operator +(Quad a, Quad b) => new(a.X + b.X, a.Y + b.Y, a.Z + b.Z, a.W + b.W);

    public static Quad operator -(Quad a, Quad b) => new(a.X - b.X, a.Y - b.Y, a.Z - b.Z, a.W - b.W);

    public static Quad operator *(Quad a, Quad b) => new(a.X * b.X, a.Y * b.Y, a.Z * b.Z, a.W * b.W);

    public static Quad operator *(Quad a, float b) => new(a.X * b, a.Y * b, a.Z * b, a.W * b);

    /// <summary>The larger of each two; NaN where there is one.</summary>
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

    /// <summary>An operator's value at one number, for threads that have no four.</summary>
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
