using Mamba.Simd;

namespace Mamba.Gpu.Kernels;

/// <summary><c>y = value</c></summary>
internal readonly struct FillKernel(Plane plane, GpuRows y, float value) : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            y.StoreQuad(row, column, plane.Width, Quad.Broadcast(value));
        }
    }
}

/// <summary><c>y = scale·x</c></summary>
internal readonly struct ScaleKernel(Plane plane, GpuRows x, float scale, GpuRows y) : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            y.StoreQuad(row, column, plane.Width, x.LoadQuad(row, column, plane.Width) * scale);
        }
    }
}

/// <summary><c>y += scale·x</c></summary>
internal readonly struct AddScaledKernel(Plane plane, GpuRows x, float scale, GpuRows y) : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            y.AddQuad(row, column, plane.Width, x.LoadQuad(row, column, plane.Width) * scale);
        }
    }
}

/// <summary><c>y = f(x)</c></summary>
internal readonly struct MapKernel<TOp>(Plane plane, GpuRows x, GpuRows y) : IKernel
    where TOp : struct, IMap
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            y.StoreQuad(row, column, plane.Width, Quad.Map<TOp>(x.LoadQuad(row, column, plane.Width)));
        }
    }
}

/// <summary><c>gx += gy·f'(x)</c></summary>
internal readonly struct MapBackwardKernel<TOp>(Plane plane, GpuRows x, GpuRows gy, GpuRows gx) : IKernel
    where TOp : struct, IMap
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            Quad slope = Quad.Derivative<TOp>(x.LoadQuad(row, column, plane.Width));
            gx.AddQuad(row, column, plane.Width, gy.LoadQuad(row, column, plane.Width) * slope);
        }
    }
}

/// <summary><c>y = f(a, b)</c></summary>
internal readonly struct ZipKernel<TOp>(Plane plane, GpuRows a, GpuRows b, GpuRows y) : IKernel
    where TOp : struct, IZip
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            Quad left = a.LoadQuad(row, column, plane.Width), right = b.LoadQuad(row, column, plane.Width);
            y.StoreQuad(row, column, plane.Width, Quad.Zip<TOp>(left, right));
        }
    }
}

/// <summary><c>ga += gy·∂f/∂a</c>, <c>gb += gy·∂f/∂b</c>; either gradient may be absent.</summary>
internal readonly struct ZipBackwardKernel<TOp>(
    Plane plane, GpuRows a, GpuRows b, GpuRows gy, GpuRows ga, GpuRows gb) : IKernel
    where TOp : struct, IZip
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (!plane.Contains(row, column))
        {
            return;
        }

        Quad left = a.LoadQuad(row, column, plane.Width), right = b.LoadQuad(row, column, plane.Width);
        Quad gradient = gy.LoadQuad(row, column, plane.Width);
        if (ga.Exists)
        {
            ga.AddQuad(row, column, plane.Width, gradient * Quad.DerivativeA<TOp>(left, right));
        }

        if (gb.Exists)
        {
            gb.AddQuad(row, column, plane.Width, gradient * Quad.DerivativeB<TOp>(left, right));
        }
    }
}
