using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Tests.Reference;

namespace Mamba.Tests;

/// <summary>
/// A function with given inputs, run forward and backward on any device. The gradient of its output is a fixed sample.
/// </summary>
internal sealed class FunctionCheck(
    Func<DeviceArray[], DeviceArray> function, params (Shape Shape, float[] Values)[] inputs)
{
    // Fourth-order differences in double with a step of 1e-3 are good to about 1e-10 for the functions here.
    private const double Step = 1e-3;
    private const double DifferenceTolerance = 1e-8;

    /// <summary>The inputs.</summary>
    public IReadOnlyList<(Shape Shape, float[] Values)> Inputs => inputs;

    /// <summary>Asserts that the processor gives the output and the gradients of the reference.</summary>
    public void ShouldMatchTheReference(double tolerance, double gradientTolerance)
    {
        using Device tested = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();

        DeviceArray[] actual = Run(tested, asSlices: false), expected = Run(reference, asSlices: false);

        for (int i = 0; i < actual.Length; i++)
        {
            actual[i].Shape.Should().Be(expected[i].Shape);
            actual[i].ToArray().ShouldBeClose(
                ReferenceDevice.Exact(expected[i]), i == 0 ? tolerance : gradientTolerance, NameOf(i));
        }
    }

    /// <summary>Asserts that the reference's own gradients are the differences of its outputs.</summary>
    public void ShouldHaveTheDifferencesAsReferenceGradients()
    {
        using ReferenceDevice device = TestDevice.Reference();
        DeviceArray[] arrays = Array.ConvertAll(inputs, input => device.Array(input.Shape, input.Values));
        DeviceArray[] results = Run(device, asSlices: false), gradients = results[1..];
        double[] weights = Array.ConvertAll(UpstreamOf(results[0]), value => (double)value);

        for (int i = 0; i < arrays.Length; i++)
        {
            double[] differences = new double[arrays[i].Shape.Count];
            for (int j = 0; j < differences.Length; j++)
            {
                double At(double offset)
                {
                    using DeviceScope scope = device.Scope();
                    ReferenceDevice.Set(arrays[i], j, inputs[i].Values[j] + offset);
                    double[] y = ReferenceDevice.Exact(function(arrays));
                    return y.Zip(weights, (value, weight) => value * weight).Sum();
                }

                differences[j] = ((8 * (At(Step) - At(-Step))) - (At(2 * Step) - At(-2 * Step))) / (12 * Step);
                ReferenceDevice.Set(arrays[i], j, inputs[i].Values[j]);
            }

            ReferenceDevice.Exact(gradients[i]).ShouldBeClose(differences, DifferenceTolerance, NameOf(i + 1));
        }
    }

    /// <summary>Asserts that slices of wider arrays give the bits that contiguous arrays give.</summary>
    public void ShouldGiveTheSameBitsOnSlices()
    {
        using Device tested = TestDevice.Open(2);

        ShouldHaveTheSameBits(Run(tested, asSlices: true), Run(tested, asSlices: false));
    }

    /// <summary>Asserts that 1, 2 and 5 threads give the same bits.</summary>
    public void ShouldGiveTheSameBitsOnAnyNumberOfThreads()
    {
        using CpuDevice one = TestDevice.Cpu(1), two = TestDevice.Cpu(2), five = TestDevice.Cpu(5);
        DeviceArray[] expected = Run(one, asSlices: false);

        ShouldHaveTheSameBits(Run(two, asSlices: false), expected);
        ShouldHaveTheSameBits(Run(five, asSlices: false), expected);
    }

    /// <summary>The output, and the gradient of every input.</summary>
    public DeviceArray[] Run(Device device, bool asSlices)
    {
        DeviceArray[] arrays = Array.ConvertAll(
            inputs,
            input => asSlices
                ? SliceOf(device, input.Shape, input.Values)
                : device.Array(input.Shape, input.Values));
        using Tape tape = new(device);
        foreach (DeviceArray array in arrays)
        {
            tape.Watch(array);
        }

        DeviceArray y = function(arrays);
        tape.Backward((y, device.Array(y.Shape, UpstreamOf(y))));
        return [y, .. arrays.Select(tape.GradientOf)];
    }

    /// <summary>The values in the middle of an array of NaN, which would show in any result that they reach.</summary>
    public static DeviceArray SliceOf(Device device, Shape shape, float[] values)
    {
        DeviceArray whole = device.Allocate(shape.WithWidth(shape.Width + 8));
        device.Fill(whole, float.NaN);
        DeviceArray slice = whole.Slice(3, shape.Width);
        slice.CopyFrom(values);
        return slice;
    }

    private static float[] UpstreamOf(DeviceArray y) => Samples.Normal(77, (int)y.Shape.Count);

    private static string NameOf(int result) => result == 0 ? "output" : $"gradient {result - 1}";

    private static void ShouldHaveTheSameBits(DeviceArray[] actual, DeviceArray[] expected)
    {
        for (int i = 0; i < actual.Length; i++)
        {
            actual[i].ToArray().ShouldHaveTheBitsOf(expected[i].ToArray(), NameOf(i));
        }
    }
}
