using Mamba.Benchmarks.Problems;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Benchmarks.Quick;

/// <summary>A stack of equal layers without embedding and head, with the state of one sequence.</summary>
internal sealed class SmallModel : IDisposable
{
    private readonly ResidualBlock[] _blocks;
    private readonly LayerState[] _states;

    public SmallModel(Device device, MixerOptions options, int layers)
    {
        Random random = new(1);
        double outputScale = 1 / Math.Sqrt(layers);
        _blocks = new ResidualBlock[layers];
        for (int i = 0; i < layers; i++)
        {
            _blocks[i] = new(options.Create(device, random, outputScale), options.ModelDim);
        }

        _states = Array.ConvertAll(_blocks, block => block.Mixer.CreateState(batch: 1));
        X = Seeded.Array(device, [1, 1, options.ModelDim], -1, 1);
    }

    /// <summary>The layers.</summary>
    public IReadOnlyList<ResidualBlock> Blocks => _blocks;

    /// <summary>The token of every step, [1, 1, modelDim].</summary>
    public DeviceArray X { get; }

    /// <summary>Computes one token.</summary>
    public void Step()
    {
        using DeviceScope scope = X.Device.Scope();
        Compute();
    }

    /// <summary>Computes one token.</summary>
    /// <returns>The residual stream after the last layer.</returns>
    public float[] StepAndRead()
    {
        using DeviceScope scope = X.Device.Scope();
        return Values.Of(Compute());
    }

    public void Dispose()
    {
        foreach (LayerState state in _states)
        {
            state.Dispose();
        }

        foreach (ResidualBlock block in _blocks)
        {
            block.Dispose();
        }
    }

    private DeviceArray Compute()
    {
        ResidualStream h = new(X);
        for (int i = 0; i < _blocks.Length; i++)
        {
            h = _blocks[i].Step(h, _states[i]);
        }

        return h.Sum();
    }
}
