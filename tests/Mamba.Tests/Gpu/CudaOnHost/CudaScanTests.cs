using Mamba.Autograd;
using Mamba.Gpu;
using Mamba.Gpu.Cuda;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Kernels;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Gpu.CudaOnHost;

/// <summary>The scan's kernels in CUDA C, compiled by g++ and run on the host. See <see cref="Thorough"/>.</summary>
public sealed class CudaScanTests
{
    // As of the other devices' scans.
    private const double Tolerance = 2e-6, GradientTolerance = 5e-6;

    public CudaScanTests()
    {
        Assert.SkipUnless(Thorough.IsAsked, Thorough.Reason);
        Assert.SkipUnless(HostKernels.IsPossible, "The kernels run on the host of Linux with g++.");
    }

    [Theory]
    [InlineData(2, 45, 200, 1)]
    [InlineData(1, 33, 300, 2)]
    [InlineData(1, 1, 7, 1)]
    [InlineData(2, 0, 7, 1)]
    public void Outputs_and_gradients_match_the_reference(int batch, int length, int channels, int groups)
    {
        ScanCase scan = new(batch, length, channels, CudaScan.States) { Groups = groups };

        ShouldMatchTheReference(scan);
        ShouldMatchTheReference(scan with { HasOptions = false, IsALog = true });
        ShouldMatchTheReference(scan with { IsSliced = true });
    }

    [Fact]
    public void Packed_sequences_match_the_reference() =>
        ShouldMatchTheReference(new(1, 60, 20, CudaScan.States) { SegmentLengths = [5, 0, 34, 21] });

    [Fact]
    public void A_long_sequence_in_spans_matches_the_reference()
    {
        ScanCase scan = new(1, 530, 20, CudaScan.States);
        using GpuDevice device = HostKernels.Open();
        using ReferenceDevice reference = TestDevice.Reference();

        (DeviceArray y, DeviceArray state) = Functions.SelectiveScan(scan.Inputs(device));

        (DeviceArray expected, DeviceArray expectedState) = Functions.SelectiveScan(scan.Inputs(reference));
        ScanCase.Values(y).ShouldBeClose(ScanCase.Values(expected), 2 * Tolerance);
        ScanCase.Values(state).ShouldBeClose(ScanCase.Values(expectedState), 2 * Tolerance);
        device.LaunchesInCudaC.Should().Be(2, "a summary comes first");
    }

    /// <summary>The decays of bfloat16 inputs are 2^x as the device has it; the outputs are rounded once.</summary>
    [Fact]
    public void A_scan_of_bfloat16_is_that_of_the_same_numbers_in_float32()
    {
        using GpuDevice device = HostKernels.Open();
        ScanInputs inputs = new ScanCase(2, 37, 36, CudaScan.States).Inputs(device);
        ScanInputs narrow = inputs with
        {
            X = SequencePrecisionTests.Narrow(inputs.X), Delta = SequencePrecisionTests.Narrow(inputs.Delta),
            Z = SequencePrecisionTests.Narrow(inputs.Z), B = SequencePrecisionTests.Narrow(inputs.B),
        };
        ScanInputs wide = narrow with
        {
            X = SequencePrecisionTests.Wide(narrow.X), Delta = SequencePrecisionTests.Wide(narrow.Delta),
            Z = SequencePrecisionTests.Wide(narrow.Z), B = SequencePrecisionTests.Wide(narrow.B),
        };

        (DeviceArray y, DeviceArray state) = Functions.SelectiveScan(narrow);

        (DeviceArray expected, DeviceArray expectedState) = Functions.SelectiveScan(wide);
        y.Precision.Should().Be(Precision.BFloat16);
        y.ToArray().ShouldBeClose(expected.ToArray(), 1.0 / 256);
        state.ToArray().ShouldBeClose(expectedState.ToArray(), Tolerance);
    }

    private static void ShouldMatchTheReference(ScanCase scan)
    {
        using GpuDevice device = HostKernels.Open();
        using ReferenceDevice reference = TestDevice.Reference();

        Dictionary<string, double[]> found = scan.Run(device), expected = scan.Run(reference);

        foreach ((string name, double[] values) in expected)
        {
            found[name].ShouldBeClose(
                values, name.StartsWith("gradient", StringComparison.Ordinal) ? GradientTolerance : Tolerance, name);
        }

        device.LaunchesInCudaC.Should().Be(2, "forward and backward");
    }
}
