using Mamba.Benchmarks.Problems;
using Mamba.Benchmarks.Quick;

namespace Mamba.Benchmarks.Plain;

/// <summary>The layers of a small model, in plain loops.</summary>
internal sealed class PlainStack
{
    private readonly PlainMambaLayer[] _layers;
    private readonly float[] _x, _stream;

    /// <summary>Copies the weights, and checks with a few tokens that both give the same result.</summary>
    public PlainStack(SmallModel model)
    {
        _layers = [.. model.Blocks.Select(block => new PlainMambaLayer(block))];
        _x = Values.Of(model.X);
        _stream = new float[_x.Length];
        for (int token = 0; token < 6; token++)
        {
            Step();
            Values.RequireClose(model.StepAndRead(), _stream);
        }
    }

    /// <summary>Computes one token.</summary>
    public void Step()
    {
        _x.CopyTo(_stream, 0);
        foreach (PlainMambaLayer layer in _layers)
        {
            layer.Step(_stream);
        }
    }
}
