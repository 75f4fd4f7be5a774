using Mamba.Benchmarks.Problems;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Benchmarks.Onnx;

/// <summary>Operations of this library as operators of ONNX Runtime, with the same inputs.</summary>
/// <remarks>
/// <c>LinearAttention</c> with the rule "gated" is <c>S_t = exp(g_t)·S_{t-1} + k_t ⊗ v_t</c>, <c>o_t = q_t·S_t</c>.
/// With q = C, k = B, v = Δ·x and g = Δ·A it is an SSD with one head for each of ours. It is also a selective scan with
/// one head for each channel; a head then has one value, and a decay for each key. Δ·x and Δ·A are computed beforehand,
/// so they cost ONNX Runtime nothing here; this library computes them in its loops.
/// </remarks>
internal static class OnnxCores
{
    /// <summary>The recurrence of Mamba-1 on the inputs of a scan without options; its output is "y".</summary>
    public static OnnxOperator Scan(in ScanInputs inputs, int threads)
    {
        (int length, int channels, int states) = (inputs.X.Shape[1], inputs.X.Shape.Width, inputs.A.Shape[0]);
        OnnxOperator scan = new(LinearAttention(length, channels, states, 1, decays: channels * states), threads);
        float[] delta = Values.Of(inputs.Delta), a = Values.Of(inputs.A);
        FillShared(scan, inputs.X, inputs.B, inputs.C);
        Span<float> value = scan["value"], decay = scan["decay"];
        for (int i = 0; i < value.Length; i++)
        {
            value[i] *= delta[i];
            for (int n = 0; n < states; n++)
            {
                decay[(i * states) + n] = delta[i] * a[(n * channels) + (i % channels)];
            }
        }

        return scan;
    }

    /// <summary>The recurrence of Mamba-2 on the inputs of an SSD without options; its output is "y".</summary>
    public static OnnxOperator Ssd(in SsdInputs inputs, int threads)
    {
        (int length, int heads, int states) = (inputs.X.Shape[1], inputs.A.Shape.Width, inputs.B.Shape.Width);
        int headDim = inputs.X.Shape.Width / heads;
        OnnxOperator ssd = new(LinearAttention(length, heads, states, headDim, decays: heads), threads);
        float[] delta = Values.Of(inputs.Delta), a = Values.Of(inputs.A);
        FillShared(ssd, inputs.X, inputs.B, inputs.C);
        Span<float> value = ssd["value"], decay = ssd["decay"];
        for (int i = 0; i < decay.Length; i++)
        {
            decay[i] = delta[i] * a[i % heads];
            foreach (ref float x in value.Slice(i * headDim, headDim))
            {
                x *= delta[i];
            }
        }

        return ssd;
    }

    /// <summary>The convolution with SiLU; its output is "y".</summary>
    public static OnnxOperator Convolution(DeviceArray x, DeviceArray weight, DeviceArray bias, int threads)
    {
        (int length, int channels, int width) = (x.Shape[1], x.Shape.Width, weight.Shape[0]);
        OnnxNode node = new(
            "CausalConvWithState",
            [new("x", 1, length, channels), new("weight", channels, 1, width), new("bias", channels)],
            [new("y", 1, length, channels), new("window", 1, width - 1, channels)])
        {
            Integers = new Dictionary<string, long> { ["ndim"] = 1, ["channels_last"] = 1 },
            Texts = new Dictionary<string, string> { ["activation"] = "silu" },
        };
        OnnxOperator convolution = new(node, threads);
        x.CopyTo(convolution["x"]);
        bias.CopyTo(convolution["bias"]);
        float[] taps = Values.Of(weight);
        Span<float> target = convolution["weight"];
        for (int i = 0; i < taps.Length; i++)
        {
            (int tap, int channel) = Math.DivRem(i, channels);
            target[(channel * width) + tap] = taps[i];
        }

        return convolution;
    }

    /// <summary>Runs the operator once and compares its output with ours, so that both do the same work.</summary>
    /// <exception cref="InvalidOperationException">The outputs differ by more than rounding errors.</exception>
    public static void Require(OnnxOperator theirs, DeviceArray ours)
    {
        theirs.Run();
        Values.RequireClose(Values.Of(ours), theirs["y"]);
    }

    private static OnnxNode LinearAttention(int length, int heads, int keyDim, int valueDim, int decays) => new(
        "LinearAttention",
        [
            new("query", 1, length, keyDim),
            new("key", 1, length, keyDim),
            new("value", 1, length, heads * valueDim),
            OnnxTensor.None, // the state before the first token
            new("decay", 1, length, decays),
        ],
        [new("y", 1, length, heads * valueDim), new("state", 1, heads, keyDim, valueDim)])
    {
        Floats = new Dictionary<string, float> { ["scale"] = 1 },
        Integers = new Dictionary<string, long> { ["q_num_heads"] = 1, ["kv_num_heads"] = heads },
        Texts = new Dictionary<string, string> { ["update_rule"] = "gated" },
    };

    private static void FillShared(OnnxOperator attention, DeviceArray x, DeviceArray b, DeviceArray c)
    {
        c.CopyTo(attention["query"]);
        b.CopyTo(attention["key"]);
        x.CopyTo(attention["value"]);
    }
}
