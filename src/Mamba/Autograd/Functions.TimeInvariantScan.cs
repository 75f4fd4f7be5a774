using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>
    /// Computes the scan with one Δ, B and C for all tokens: a linear time-invariant state-space model, S4D.
    /// </summary>
    /// <param name="x">Shape [batch, length, channels].</param>
    /// <param name="delta">Δ before softplus, shape [channels].</param>
    /// <param name="a">A, shape [states, channels], or [2, states, channels] if complex, real parts first.</param>
    /// <param name="b">B, in the shape of A.</param>
    /// <param name="c">C, in the shape of A.</param>
    /// <param name="d">The skip connection, shape [channels]; optional.</param>
    /// <param name="z">The gate, in the shape of x; optional.</param>
    /// <param name="initialState">As in <see cref="ScanInputs.InitialState"/>; optional.</param>
    /// <param name="segments">Packed sequences; null if every row is one sequence.</param>
    /// <returns>y, in the shape of x, and the state after the last token of every sequence.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <remarks>
    /// Gu et al., <see href="https://arxiv.org/abs/2206.11893"/>. Equals the convolution of x with the kernel
    /// <c>K_t = Δ·C·exp(t·Δ·A)·B</c> (twice its real part if complex). Discretised by exponential Euler, as in the
    /// selective scan.
    /// </remarks>
    public static (DeviceArray Y, DeviceArray FinalState) TimeInvariantScan(
        DeviceArray x,
        DeviceArray delta,
        DeviceArray a,
        DeviceArray b,
        DeviceArray c,
        DeviceArray d = default,
        DeviceArray z = default,
        DeviceArray initialState = default,
        Segments? segments = null) =>
        SelectiveScan(TimeInvariant(x, delta, a, b, c, d, z) with { InitialState = initialState }, segments);

    /// <summary>Computes one token of <see cref="TimeInvariantScan"/> and updates the state in place.</summary>
    /// <param name="x">Shape [batch, 1, channels].</param>
    /// <param name="delta">Δ before softplus, shape [channels].</param>
    /// <param name="a">A, shape [states, channels], or [2, states, channels] if complex, real parts first.</param>
    /// <param name="b">B, in the shape of A.</param>
    /// <param name="c">C, in the shape of A.</param>
    /// <param name="d">The skip connection, shape [channels], or <c>default</c>.</param>
    /// <param name="z">The gate, in the shape of x, or <c>default</c>.</param>
    /// <param name="state">
    /// h, read and written: [batch, states, channels], or [batch, 2, states, channels] if complex.
    /// </param>
    /// <param name="slots">
    /// The row of the state for each sequence, if the state is a pool; null if sequence i has row i.
    /// </param>
    /// <returns>y, in the shape of x.</returns>
    /// <exception cref="ArgumentException">An input has the wrong shape.</exception>
    /// <exception cref="InvalidOperationException">A tape follows an input: a step has no backward pass.</exception>
    public static DeviceArray TimeInvariantScanStep(
        DeviceArray x,
        DeviceArray delta,
        DeviceArray a,
        DeviceArray b,
        DeviceArray c,
        DeviceArray d,
        DeviceArray z,
        DeviceArray state,
        StateSlots? slots = null) =>
        SelectiveScanStep(TimeInvariant(x, delta, a, b, c, d, z), state, slots);

    /// <summary>The inputs of the selective scan that computes a time-invariant one.</summary>
    internal static ScanInputs TimeInvariant(
        DeviceArray x,
        DeviceArray delta,
        DeviceArray a,
        DeviceArray b,
        DeviceArray c,
        DeviceArray d,
        DeviceArray z)
    {
        Require(delta);
        return new()
        {
            X = x,
            Delta = Filled(Require(x), x.Shape, 0f),
            A = a,
            B = b,
            C = c,
            D = d,
            Z = z,
            DeltaBias = delta,
            HasConstantB = true,
            HasConstantC = true,
            Softplus = true,
        };
    }
}
