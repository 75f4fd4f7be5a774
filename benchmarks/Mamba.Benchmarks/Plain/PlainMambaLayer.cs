using Mamba.Benchmarks.Problems;
using Mamba.Layers;

namespace Mamba.Benchmarks.Plain;

/// <summary>One token through a Mamba-1 layer in plain loops, float32 on one thread: a baseline.</summary>
/// <remarks>Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, section 3.4 and Algorithm 2.</remarks>
internal sealed class PlainMambaLayer
{
    private readonly float _epsilon;
    private readonly float[] _norm, _inProjection, _taps, _convBias, _xProjection, _dtProjection, _dtBias, _a, _d;
    private readonly float[] _outProjection;
    private readonly float[] _normed, _projected, _x, _selected, _delta, _window, _h, _y, _output;

    /// <summary>Copies the weights of a layer with a gate and without biases of its projections.</summary>
    public PlainMambaLayer(ResidualBlock block)
    {
        MambaMixer mixer = (MambaMixer)block.Mixer;
        (_norm, _epsilon) = (Values.Of(block.Norm.Weight.Value), block.Norm.Epsilon);
        _inProjection = Values.Of(mixer.InProjection.Weight.Value);
        _taps = Values.Of(mixer.Convolution.Weight.Value);
        _convBias = Values.Of(mixer.Convolution.Bias!.Value);
        _xProjection = Values.Of(mixer.Ssm.XProjection.Weight.Value);
        _dtProjection = Values.Of(mixer.Ssm.TimeStep.Weight.Value);
        _dtBias = Values.Of(mixer.Ssm.TimeStep.Bias!.Value);
        _a = Array.ConvertAll(Values.Transposed(mixer.Ssm.ALog.Value), log => -MathF.Exp(log));
        _d = Values.Of(mixer.Ssm.D.Value);
        _outProjection = Values.Of(mixer.OutProjection.Weight.Value);

        int channels = _d.Length;
        (_normed, _output) = (new float[_norm.Length], new float[_norm.Length]);
        (_projected, _x, _delta, _y) =
            (new float[2 * channels], new float[channels], new float[channels], new float[channels]);
        _selected = new float[_xProjection.Length / channels];
        (_window, _h) = (new float[_taps.Length], new float[_a.Length]);
    }

    /// <summary>Adds the layer's output for a token.</summary>
    /// <param name="stream">The residual stream, read and written: [modelDim].</param>
    public void Step(Span<float> stream)
    {
        Normalize(stream);
        Multiply(_inProjection, _normed, _projected);
        Convolve();
        Multiply(_xProjection, _x, _selected);
        Multiply(_dtProjection, _selected.AsSpan(0, _dtProjection.Length / _d.Length), _delta);
        Scan();
        Multiply(_outProjection, _y, _output);
        for (int i = 0; i < stream.Length; i++)
        {
            stream[i] += _output[i];
        }
    }

    private void Normalize(ReadOnlySpan<float> stream)
    {
        float sum = 0;
        foreach (float value in stream)
        {
            sum += value * value;
        }

        float scale = 1 / MathF.Sqrt((sum / stream.Length) + _epsilon);
        for (int i = 0; i < stream.Length; i++)
        {
            _normed[i] = stream[i] * scale * _norm[i];
        }
    }

    /// <summary>Shifts the window of the last inputs, and convolves it.</summary>
    private void Convolve()
    {
        int channels = _d.Length;
        _window.AsSpan(channels).CopyTo(_window);
        _projected.AsSpan(0, channels).CopyTo(_window.AsSpan(_window.Length - channels));
        for (int i = 0; i < channels; i++)
        {
            float sum = _convBias[i];
            for (int at = i; at < _taps.Length; at += channels)
            {
                sum += _taps[at] * _window[at];
            }

            _x[i] = Silu(sum);
        }
    }

    private void Scan()
    {
        int channels = _d.Length, states = _a.Length / channels, rank = _dtProjection.Length / channels;
        ReadOnlySpan<float> b = _selected.AsSpan(rank, states), c = _selected.AsSpan(rank + states, states);
        for (int i = 0; i < channels; i++)
        {
            float dt = MathF.Log(1 + MathF.Exp(_delta[i] + _dtBias[i]));
            float sum = _d[i] * _x[i];
            for (int n = 0; n < states; n++)
            {
                ref float h = ref _h[(i * states) + n];
                h = (MathF.Exp(dt * _a[(i * states) + n]) * h) + (dt * b[n] * _x[i]);
                sum += c[n] * h;
            }

            _y[i] = sum * Silu(_projected[channels + i]);
        }
    }

    /// <summary>Computes <c>y = W·x</c>, W [y, x].</summary>
    private static void Multiply(ReadOnlySpan<float> weight, ReadOnlySpan<float> x, Span<float> y)
    {
        for (int row = 0; row < y.Length; row++)
        {
            float sum = 0;
            for (int i = 0; i < x.Length; i++)
            {
                sum += weight[(row * x.Length) + i] * x[i];
            }

            y[row] = sum;
        }
    }

    private static float Silu(float x) => x / (1 + MathF.Exp(-x));
}
