namespace Mamba.Gpu.Kernels;

/// <summary>Gradients of the outputs of a scan, which are read, and of its inputs. Each may be absent.</summary>
internal struct ScanGradientArrays
{
    /// <summary>Gradient of y, and below that of the final state; read.</summary>
    public GpuRows Y;
    public GpuRows FinalState;

    /// <summary>Gradient of x, and below those of Δ, z and the initial state; added to.</summary>
    public GpuRows X;
    public GpuRows Delta;
    public GpuRows Z;
    public GpuRows InitialState;

    /// <summary>Gradient of A for every sequence; set.</summary>
    public GpuRows A;

    /// <summary>
    /// Gradient of B; set. For every sequence with the layout of A if B is constant, else for every tile and token.
    /// </summary>
    public GpuRows B;

    /// <summary>Gradient of C, as that of B.</summary>
    public GpuRows C;

    /// <summary>Gradient of D, and below of the bias of Δ: a row for each sequence; set.</summary>
    public GpuRows D;
    public GpuRows DeltaBias;

    /// <summary>Number of tokens of all sequences.</summary>
    public long Tokens;
}

/// <summary><c>y[t, j] += Σ_p parts[p·tokens + t, j]</c>, in the order of p.</summary>
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
