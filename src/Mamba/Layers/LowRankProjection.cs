using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>
/// Projections of low rank side by side: <c>y_i = x·A_iᵀ·B_iᵀ</c>, a part of a model, unlike a
/// <see cref="LowRankAdapter"/>, which fine-tuning adds.
/// </summary>
internal sealed class LowRankProjection : Module
{
    private readonly Linear[] _up;
    private readonly int _rank;

    /// <summary>Makes the projections.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="input">Width of x.</param>
    /// <param name="rank">Rank of each projection.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset.</param>
    /// <param name="outputs">Widths of the outputs.</param>
    public LowRankProjection(Device device, int input, int rank, Random? random, params ReadOnlySpan<int> outputs)
        : base(device)
    {
        _rank = rank;
        Down = AddModule("down", new Linear(device, input, rank * outputs.Length, false, random));
        _up = new Linear[outputs.Length];
        for (int i = 0; i < _up.Length; i++)
        {
            _up[i] = AddModule($"up.{NameOf(i)}", new Linear(device, rank, outputs[i], false, random));
        }
    }

    /// <summary>All A_i, one above the other.</summary>
    public Linear Down { get; }

    /// <summary>Computes the outputs side by side.</summary>
    public DeviceArray Forward(DeviceArray x)
    {
        DeviceArray low = Down.Forward(x), all = default;
        for (int i = 0; i < _up.Length; i++)
        {
            DeviceArray y = _up[i].Forward(low.Slice(i * _rank, _rank));
            all = all.Exists ? Functions.Concat(all, y) : y;
        }

        return all;
    }
}
