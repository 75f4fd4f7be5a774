using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Kernels;

namespace Mamba.Tests.Gpu;

/// <summary>Scans and convolutions of bfloat16: computed in float32, rounded once.</summary>
public sealed class SequencePrecisionTests
{
    // Half a unit in the last of bfloat16's eight digits.
    private const double Tolerance = 1.0 / 256;

    [Theory]
    [InlineData(16, 1, false)]
    [InlineData(5, 3, false)]
    [InlineData(5, 3, true)]
    public void A_scan_of_bfloat16_is_that_of_the_same_numbers_in_float32(int states, int groups, bool sliced)
    {
        using Device device = TestDevice.OpenGpu();
        ScanInputs inputs = new ScanCase(2, 37, 36, states) { Groups = groups, IsSliced = sliced }.Inputs(device);
        ScanInputs narrow = inputs with
        {
            X = Narrow(inputs.X), Delta = Narrow(inputs.Delta), Z = Narrow(inputs.Z),
            B = Narrow(inputs.B), C = Narrow(inputs.C),
        };
        ScanInputs wide = narrow with
        {
            X = Wide(narrow.X), Delta = Wide(narrow.Delta), Z = Wide(narrow.Z), B = Wide(narrow.B), C = Wide(narrow.C),
        };

        (DeviceArray y, DeviceArray state) = Functions.SelectiveScan(narrow);

        (DeviceArray expected, DeviceArray expectedState) = Functions.SelectiveScan(wide);
        y.Precision.Should().Be(Precision.BFloat16);
        y.ToArray().ShouldBeClose(expected.ToArray(), Tolerance);
        if (TestDevice.IsCudaC)
        {
            state.ToArray().ShouldBeClose(expectedState.ToArray(), 1e-5); // decays are less exact for rounded inputs
        }
        else
        {
            state.ToArray().ShouldHaveTheBitsOf(expectedState.ToArray());
        }
    }

    [Theory]
    [InlineData(36)]
    [InlineData(37)]
    public void A_convolution_of_bfloat16_is_that_of_the_same_numbers_in_float32(int channels)
    {
        using Device device = TestDevice.OpenGpu();
        DeviceArray x = Narrow(device.Array([2, 21, channels], Samples.Normal(1, 2 * 21 * channels)));
        DeviceArray weight = device.Array([4, channels], Samples.Normal(2, 4 * channels));

        (DeviceArray y, DeviceArray window) = Functions.CausalConvolution(x, weight, silu: true);

        (DeviceArray expected, DeviceArray expectedWindow) = Functions.CausalConvolution(Wide(x), weight, silu: true);
        y.Precision.Should().Be(Precision.BFloat16);
        y.ToArray().ShouldBeClose(expected.ToArray(), Tolerance);
        window.ToArray().ShouldHaveTheBitsOf(expectedWindow.ToArray());
    }

    internal static DeviceArray Narrow(DeviceArray array)
    {
        DeviceArray narrow = array.Device.Allocate(array.Shape, Precision.BFloat16);
        narrow.CopyFrom(array.ToArray());
        return narrow;
    }

    internal static DeviceArray Wide(DeviceArray array) => array.Device.Array(array.Shape, array.ToArray());
}
