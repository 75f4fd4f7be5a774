using Mamba.Benchmarks.Problems;
using Mamba.Operations;

namespace Mamba.Benchmarks.Plain;

/// <summary>
/// The recurrence of Mamba-2 in plain loops of the paper, float32 on one thread: a baseline.
/// </summary>
/// <remarks>Dao and Gu, <see href="https://arxiv.org/abs/2405.21060"/>, section 2.</remarks>
internal sealed class PlainSsd
{
    private readonly int _length, _heads, _headDim, _states;
    private readonly float[] _x, _delta, _deltaBias, _a, _b, _c, _d, _h, _y;

    /// <summary>Copies the inputs of an SSD with softplus and D, of one sequence and one group.</summary>
    public PlainSsd(in SsdInputs inputs)
    {
        (_length, _heads, _states) = (inputs.X.Shape[1], inputs.A.Shape.Width, inputs.B.Shape.Width);
        _headDim = inputs.X.Shape.Width / _heads;
        (_x, _delta, _deltaBias) = (Values.Of(inputs.X), Values.Of(inputs.Delta), Values.Of(inputs.DeltaBias));
        (_a, _b, _c, _d) = (Values.Of(inputs.A), Values.Of(inputs.B), Values.Of(inputs.C), Values.Of(inputs.D));
        _h = new float[_heads * _headDim * _states];
        _y = new float[_x.Length];
    }

    /// <summary>The output of the last run.</summary>
    public ReadOnlySpan<float> Y => _y;

    public void Run()
    {
        Array.Clear(_h);
        for (int t = 0; t < _length; t++)
        {
            for (int head = 0; head < _heads; head++)
            {
                float dt = MathF.Log(1 + MathF.Exp(_delta[(t * _heads) + head] + _deltaBias[head]));
                float decay = MathF.Exp(dt * _a[head]);
                for (int i = head * _headDim; i < (head + 1) * _headDim; i++)
                {
                    int at = (t * _heads * _headDim) + i;
                    float sum = _d[head] * _x[at];
                    for (int n = 0; n < _states; n++)
                    {
                        ref float h = ref _h[(i * _states) + n];
                        h = (decay * h) + (dt * _b[(t * _states) + n] * _x[at]);
                        sum += _c[(t * _states) + n] * h;
                    }

                    _y[at] = sum;
                }
            }
        }
    }
}
