using System.Numerics;
using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

public sealed class TimeInvariantScanTests
{
    // The reference data's bound for a scan.
    private const double Tolerance = 2e-6;
    private const int Length = 50, Channels = 5, States = 3;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_scan_is_the_convolution_with_its_kernel(bool complex)
    {
        using Device device = TestDevice.Open(2);
        int count = (complex ? 2 : 1) * States * Channels;
        float[] x = Samples.Normal(1, Length * Channels), delta = Samples.Uniform(2, Channels, -4, -1);
        float[] a = Samples.Uniform(3, count, -2, -0.1), b = Samples.Normal(4, count), c = Samples.Normal(5, count);
        Shape shape = complex ? [2, States, Channels] : [States, Channels];

        float[] y = Functions.TimeInvariantScan(
            device.Array([1, Length, Channels], x),
            device.Array([Channels], delta),
            device.Array(shape, a),
            device.Array(shape, b),
            device.Array(shape, c)).Y.ToArray();

        double[] expected = new double[y.Length];
        for (int channel = 0; channel < Channels; channel++)
        {
            double step = DoubleMath.Softplus(delta[channel]);
            for (int t = 0; t < Length; t++)
            {
                for (int lag = 0; lag <= t; lag++)
                {
                    Complex kernel = Enumerable.Range(0, States).Aggregate(
                        Complex.Zero,
                        (sum, n) => sum + (At(c, n) * Complex.Exp(lag * step * At(a, n)) * At(b, n) * step));
                    expected[(t * Channels) + channel] +=
                        (complex ? 2 * kernel.Real : kernel.Real) * x[((t - lag) * Channels) + channel];
                }
            }

            Complex At(float[] values, int n)
            {
                int index = (n * Channels) + channel;
                return new(values[index], complex ? values[(States * Channels) + index] : 0);
            }
        }

        y.ShouldBeClose(expected, Tolerance);
    }
}
