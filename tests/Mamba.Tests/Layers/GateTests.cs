using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Tests.Layers;

public sealed class GateTests
{
    // Two roundings of the gate more than without it.
    private const double Tolerance = 2e-6;

    // silu(z) = 1.
    private const float Open = 1.2784645f;
    private const int Dim = 8, Inner = 16, Length = 6;

    [Fact]
    public void Without_a_gate_Mamba1_is_what_it_is_with_an_open_one() => ShouldBeAsWithAnOpenGate(
        new MambaMixerOptions { ModelDim = Dim, Bias = true, Gate = false },
        new MambaMixerOptions { ModelDim = Dim, Bias = true },
        firstOfGate: Inner);

    [Fact]
    public void Without_a_gate_S4D_is_what_it_is_with_an_open_one() => ShouldBeAsWithAnOpenGate(
        new S4dMixerOptions { ModelDim = Dim, Bias = true, Gate = false },
        new S4dMixerOptions { ModelDim = Dim, Bias = true },
        firstOfGate: Inner);

    [Fact]
    public void Without_a_gate_Mamba2_is_what_it_is_with_an_open_one() => ShouldBeAsWithAnOpenGate(
        new Mamba2MixerOptions { ModelDim = Dim, HeadDim = 4, StateDim = 5, Bias = true, Gate = false },
        new Mamba2MixerOptions { ModelDim = Dim, HeadDim = 4, StateDim = 5, Bias = true, NormBeforeGate = true },
        firstOfGate: 0);

    [Fact]
    public void Without_a_gate_and_a_norm_Mamba2_is_what_it_is_with_an_open_one() => ShouldBeAsWithAnOpenGate(
        new Mamba2MixerOptions { ModelDim = Dim, HeadDim = 4, StateDim = 5, Bias = true, Gate = false, Norm = false },
        new Mamba2MixerOptions { ModelDim = Dim, HeadDim = 4, StateDim = 5, Bias = true, Norm = false },
        firstOfGate: 0);

    private static void ShouldBeAsWithAnOpenGate(MixerOptions without, MixerOptions with, int firstOfGate)
    {
        using Device device = TestDevice.Open();
        using SequenceMixer plain = without.Create(device, new Random(1), 1);
        using SequenceMixer gated = with.Create(device, new Random(2), 1);
        foreach (((string name, Parameter source), (_, Parameter target)) in plain.Parameters.Zip(gated.Parameters))
        {
            target.Value.CopyFrom(name switch
            {
                "in_projection.weight" => WithRows(source.Value, firstOfGate, new float[Inner * Dim]),
                "in_projection.bias" => WithRows(source.Value, firstOfGate, [.. Enumerable.Repeat(Open, Inner)]),
                _ => source.Value.ToArray(),
            });
        }

        DeviceArray x = device.Array([1, Length, Dim], Samples.Normal(3, Length * Dim));

        plain.Forward(x).ToArray().ShouldBeClose(gated.Forward(x).ToArray(), Tolerance);
    }

    /// <summary>Puts rows into a matrix, or entries into a vector.</summary>
    private static float[] WithRows(DeviceArray matrix, int first, float[] rows)
    {
        int before = first * rows.Length / Inner;
        float[] values = matrix.ToArray();
        return [.. values[..before], .. rows, .. values[before..]];
    }
}
