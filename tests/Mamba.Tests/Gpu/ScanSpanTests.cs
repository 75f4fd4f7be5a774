using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Gpu;
using Mamba.Memory;
using Mamba.Tests.Kernels;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Gpu;

/// <summary>Few long sequences are scanned in spans that run side by side; nothing but the rounding tells.</summary>
public sealed class ScanSpanTests
{
    // As of the scan itself; the decay of a whole span has the rounding of the sum of its Δ, too.
    private const double Tolerance = 4e-6;

    [Fact]
    public void A_long_sequence_in_spans_matches_the_reference() =>
        ShouldMatchTheReference(new(1, 700, 2, 5));

    [Fact]
    public void A_as_its_logarithm_matches_the_reference() =>
        ShouldMatchTheReference(new(1, 530, 2, 5) { IsALog = true });

    [Fact]
    public void More_states_than_fit_at_once_match_the_reference() =>
        ShouldMatchTheReference(new(1, 530, 2, 21) { HasOptions = false });

    [Fact]
    public void Constant_B_and_C_match_the_reference() =>
        ShouldMatchTheReference(new(1, 600, 2, 4) { HasConstantB = true, HasConstantC = true });

    [Fact]
    public void A_packed_long_sequence_matches_the_reference() =>
        ShouldMatchTheReference(new(1, 560, 2, 4) { SegmentLengths = [560, 0] });

    private static void ShouldMatchTheReference(ScanCase scan)
    {
        using GpuDevice device = TestDevice.OpenGpu();
        using ReferenceDevice reference = TestDevice.Reference();

        (double[] y, double[] state) = Run(scan, device);
        (double[] expected, double[] expectedState) = Run(scan, reference);

        y.ShouldBeClose(expected, Tolerance, "y");
        state.ShouldBeClose(expectedState, Tolerance, "the final state");
    }

    private static (double[] Y, double[] State) Run(ScanCase scan, Device device)
    {
        using DeviceScope scope = device.Scope();
        (DeviceArray y, DeviceArray state) = Functions.SelectiveScan(scan.Inputs(device), scan.Segments);
        return (ScanCase.Values(y), ScanCase.Values(state));
    }
}
