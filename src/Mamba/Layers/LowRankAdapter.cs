using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>A trainable low-rank correction of a frozen matrix: <c>W + (α/rank)·B·A</c>.</summary>
/// <remarks>LoRA: Hu et al., <see href="https://arxiv.org/abs/2106.09685"/>, section 4.1.</remarks>
public sealed class LowRankAdapter : Module
{
    /// <summary>Makes an adapter without effect: B is zero.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="inputDim">Width of the input.</param>
    /// <param name="outputDim">Width of the output.</param>
    /// <param name="rank">Rank of the correction.</param>
    /// <param name="alpha">α; the correction is scaled by α/rank.</param>
    /// <param name="random">
    /// Random source of A, uniform in ±1/√inputDim; null leaves A and B unset, for a loader to fill.
    /// </param>
    internal LowRankAdapter(Device device, int inputDim, int outputDim, int rank, double alpha, Random? random)
        : base(device)
    {
        Alpha = alpha;
        A = AddParameter("a", [rank, inputDim], Initial.FanIn(random, inputDim), decays: true);
        B = AddParameter("b", [outputDim, rank], Initial.Constant(random, 0f), decays: true);
    }

    /// <summary>A, shape [rank, inputDim].</summary>
    public Parameter A { get; }

    /// <summary>B, shape [outputDim, rank].</summary>
    public Parameter B { get; }

    /// <summary>α.</summary>
    public double Alpha { get; }

    /// <summary>Rank of the correction.</summary>
    public int Rank => A.Value.Shape[0];

    /// <summary>Scale of the correction, α/rank.</summary>
    public float Scale => (float)(Alpha / Rank);

    /// <summary>False: A and B stay float32, because they are trained and are small beside the matrix.</summary>
    private protected override bool CanNarrow => false;

    /// <summary>Adds the correction to a range of rows of the matrix.</summary>
    /// <param name="first">Index of the first row in the whole matrix.</param>
    /// <param name="rows">The rows, shape [rows, inputDim].</param>
    internal void AddTo(int first, DeviceArray rows)
    {
        using DeviceScope scope = Device.Scope();
        int count = rows.Shape[0];
        DeviceArray b = Device.Allocate([count, Rank], B.Value.Precision);
        Device.Scale(B.Value.RowRange(first, count), Scale, b);
        Device.MatMul(b, false, A.Value, false, rows, accumulate: true);
    }
}
