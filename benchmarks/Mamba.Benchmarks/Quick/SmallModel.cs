using Mamba.Benchmarks.Problems;
using Mamba.Devices;
using Mamba.Layers;

namespace Mamba.Benchmarks.Quick;

/// <summary>A stack of equal layers without embedding and head, with the state of one sequence.</summary>
internal sealed class SmallModel : IDisposable
{
    private readonly ResidualBlock[] _blocks;
    private readonly LayerState[] _states;
    private readonly DeviceArray _x;

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
        _x = Seeded.Array(device, [1, 1, options.ModelDim], -1, 1);
    }

    /// <summary>Reads one token.</summary>
    public void Step()
    {
        using DeviceScope scope = _x.Device.Scope();
        DeviceArray h = _x;
        for (int i = 0; i < _blocks.Length; i++)
        {
            h = _blocks[i].Step(h, _states[i]);
        }
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
}
