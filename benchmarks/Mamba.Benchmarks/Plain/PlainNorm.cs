using Mamba.Benchmarks.Problems;
using Mamba.Memory;

namespace Mamba.Benchmarks.Plain;

/// <summary>RMS norm in plain loops of its definition, float32 on one thread: a baseline.</summary>
/// <remarks>Zhang and Sennrich, <see href="https://arxiv.org/abs/1910.07467"/>, eq. 4.</remarks>
internal sealed class PlainNorm(DeviceArray x, DeviceArray weight, float epsilon)
{
    private readonly float[] _x = Values.Of(x), _weight = Values.Of(weight), _y = new float[x.Shape.Count];

    /// <summary>The output of the last run.</summary>
    public ReadOnlySpan<float> Y => _y;

    public void Run()
    {
        for (int start = 0; start < _x.Length; start += _weight.Length)
        {
            float sum = 0;
            for (int i = 0; i < _weight.Length; i++)
            {
                sum += _x[start + i] * _x[start + i];
            }

            float scale = 1 / MathF.Sqrt((sum / _weight.Length) + epsilon);
            for (int i = 0; i < _weight.Length; i++)
            {
                _y[start + i] = _x[start + i] * scale * _weight[i];
            }
        }
    }
}
