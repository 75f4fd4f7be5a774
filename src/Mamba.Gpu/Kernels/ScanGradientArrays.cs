namespace Mamba.Gpu.Kernels;

/// <summary>The gradients that a scan's backward pass starts from and ends with; each may be absent.</summary>
internal struct ScanGradientArrays
{
    /// <summary>Of the output.</summary>
    public GpuRows Y;
    public GpuRows FinalState;

    /// <summary>Is added to; the next likewise.</summary>
    public GpuRows X;
    public GpuRows Delta;
    public GpuRows Z;
    public GpuRows InitialState;

    /// <summary>Is set, for every sequence.</summary>
    public GpuRows A;

    /// <summary>
    /// Is set: for every sequence, as A is laid out, where B is constant; else for every tile and token.
    /// </summary>
    public GpuRows B;

    /// <summary>As that of B.</summary>
    public GpuRows C;

    /// <summary>Is set, a row for each sequence; the next likewise.</summary>
    public GpuRows D;
    public GpuRows DeltaBias;

    /// <summary>Tokens of all sequences.</summary>
    public long Tokens;
}

/// <summary><c>y[t, j] += Σ_p parts[p·tokens + t, j]</c>, for p in its order.</summary>
internal readonly struct ScanTokenSumsKernel(Plane plane, GpuRows parts, int count, long tokens, GpuRows y) : IKernel
{
    public void Run()
    {
        long row = plane.Row, column = plane.Column;
        if (plane.Contains(row, column))
        {
            Quad sum = default;
            for (int part = 0; part < count; part++)
            {
                sum += parts.LoadQuad((part * tokens) + row, column, plane.Width);
            }

            y.AddQuad(row, column, plane.Width, sum);
        }
    }
}
