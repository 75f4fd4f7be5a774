using Mamba.Benchmarks.Problems;
using Mamba.Operations;

namespace Mamba.Benchmarks.Plain;

/// <summary>The selective scan in plain loops of the paper, float32 on one thread: a baseline.</summary>
/// <remarks>Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, Algorithm 2.</remarks>
internal sealed class PlainScan
{
    private readonly int _length, _channels, _states;
    private readonly float[] _x, _delta, _deltaBias, _a, _b, _c, _d, _z, _h, _y;

    /// <summary>Copies the inputs of a scan with softplus, D and a gate, of one sequence.</summary>
    public PlainScan(in ScanInputs inputs)
    {
        (_length, _channels, _states) = (inputs.X.Shape[1], inputs.X.Shape.Width, inputs.A.Shape[0]);
        (_x, _delta, _deltaBias) = (Values.Of(inputs.X), Values.Of(inputs.Delta), Values.Of(inputs.DeltaBias));
        (_b, _c, _d, _z) = (Values.Of(inputs.B), Values.Of(inputs.C), Values.Of(inputs.D), Values.Of(inputs.Z));
        _a = Values.Transposed(inputs.A); // the states of a channel are contiguous, as the loops read them
        _h = new float[_channels * _states];
        _y = new float[_x.Length];
    }

    /// <summary>The output of the last run.</summary>
    public ReadOnlySpan<float> Y => _y;

    public void Run()
    {
        Array.Clear(_h);
        for (int t = 0; t < _length; t++)
        {
            for (int i = 0; i < _channels; i++)
            {
                int at = (t * _channels) + i;
                float dt = MathF.Log(1 + MathF.Exp(_delta[at] + _deltaBias[i]));
                float sum = _d[i] * _x[at];
                for (int n = 0; n < _states; n++)
                {
                    ref float h = ref _h[(i * _states) + n];
                    h = (MathF.Exp(dt * _a[(i * _states) + n]) * h) + (dt * _b[(t * _states) + n] * _x[at]);
                    sum += _c[(t * _states) + n] * h;
                }

                _y[at] = sum * _z[at] / (1 + MathF.Exp(-_z[at]));
            }
        }
    }
}
