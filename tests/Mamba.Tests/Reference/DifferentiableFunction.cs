using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Reference;

/// <summary>A function of arrays with its inputs, to compare outputs and gradients between devices.</summary>
/// <param name="apply">Computes the outputs.</param>
/// <param name="inputs">The inputs; null for an absent optional one.</param>
internal sealed class DifferentiableFunction(
    Func<DeviceArray[], DeviceArray[]> apply, params (Shape Shape, float[] Values)?[] inputs)
{
    // Fourth-order differences with this step are accurate to about 1e-10 for functions that change over a length of 1.
    private const double Step = 1e-3;
    private const double DifferenceTolerance = 1e-8;

    /// <summary>An input of normally distributed values.</summary>
    public static (Shape Shape, float[] Values)? Input(int seed, Shape shape, double scale = 1) =>
        (shape, Samples.Normal(seed, (int)shape.Count, scale));

    /// <summary>Computes the outputs, and the gradients of the inputs from seeded gradients of the outputs.</summary>
    /// <param name="device">The device.</param>
    /// <param name="sliced">Whether arrays of three axes are slices of wider ones that contain NaN elsewhere.</param>
    /// <param name="gradientsOfOne">Whether all gradients of the outputs are 1, and so equal for every row.</param>
    public Results Run(Device device, bool sliced = false, bool gradientsOfOne = false)
    {
        DeviceArray[] arrays = [.. inputs.Select(input => Place(device, input, sliced))];
        using Tape tape = new(device);
        foreach (DeviceArray array in arrays.Where(array => array.Exists))
        {
            tape.Watch(array);
        }

        DeviceArray[] outputs = apply(arrays);
        tape.Backward([.. outputs.Select((y, i) => (y, gradientsOfOne ? Ones(y) : UpstreamGradient(y, i)))]);
        return new(
            [.. outputs.Select(Values)],
            [.. arrays.Where(array => array.Exists).Select(array => Values(tape.GradientOf(array)))]);
    }

    /// <summary>The gradients of the inputs by fourth-order central differences, in double.</summary>
    private double[][] Differences()
    {
        using ReferenceDevice reference = TestDevice.Reference();
        DeviceArray[] arrays = [.. inputs.Select(input => Place(reference, input, false))];
        double Loss() => apply(arrays).Select((y, i) => Dot(y, UpstreamGradient(y, i))).Sum();

        return [.. arrays.Where(array => array.Exists).Select(array => Differences(array, Loss))];
    }

    private static double Dot(DeviceArray y, DeviceArray gy) =>
        ReferenceDevice.Exact(y).Zip(ReferenceDevice.Exact(gy), (value, gradient) => value * gradient).Sum();

    private static double[] Differences(DeviceArray x, Func<double> f)
    {
        double[] values = ReferenceDevice.Exact(x), gradient = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            double At(double offset)
            {
                ReferenceDevice.Set(x, i, values[i] + offset);
                return f();
            }

            gradient[i] = ((8 * (At(Step) - At(-Step))) - (At(2 * Step) - At(-2 * Step))) / (12 * Step);
            At(0);
        }

        return gradient;
    }

    /// <summary>Asserts that the CPU agrees with the reference, forward and backward.</summary>
    public void ShouldMatchTheReference(double tolerance, double gradientTolerance, string what)
    {
        using Device tested = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();
        Results expected = Run(reference);
        foreach (bool sliced in new[] { false, true })
        {
            Results actual = Run(tested, sliced);
            for (int i = 0; i < expected.Outputs.Length; i++)
            {
                actual.Outputs[i].ShouldBeClose(expected.Outputs[i], tolerance, $"output {i} of {what}");
            }

            for (int i = 0; i < expected.Gradients.Length; i++)
            {
                actual.Gradients[i].ShouldBeClose(expected.Gradients[i], gradientTolerance, $"gradient {i} of {what}");
            }
        }
    }

    /// <summary>Asserts that the reference's gradients agree with differences of its outputs.</summary>
    public void ReferenceShouldMatchDifferences(string what)
    {
        using ReferenceDevice reference = TestDevice.Reference();
        double[][] expected = Differences(), actual = Run(reference).Gradients;
        for (int i = 0; i < expected.Length; i++)
        {
            actual[i].ShouldBeClose(expected[i], DifferenceTolerance, $"gradient {i} of {what}");
        }
    }

    private static DeviceArray Place(Device device, (Shape Shape, float[] Values)? input, bool sliced)
    {
        if (input is not { } present)
        {
            return default;
        }

        if (!sliced || present.Shape.Rank != 3)
        {
            return device.Array(present.Shape, present.Values);
        }

        DeviceArray whole = device.Allocate(present.Shape.WithWidth(present.Shape.Width + 5));
        device.Fill(whole, float.NaN);
        DeviceArray slice = whole.Slice(3, present.Shape.Width);
        slice.CopyFrom(present.Values);
        return slice;
    }

    private static DeviceArray UpstreamGradient(DeviceArray y, int output) =>
        y.Device.Array(y.Shape, Samples.Normal(1000 + output, (int)y.Shape.Count));

    private static DeviceArray Ones(DeviceArray y) =>
        y.Device.Array(y.Shape, [.. Enumerable.Repeat(1f, (int)y.Shape.Count)]);

    private static double[] Values(DeviceArray array) =>
        array.Device is ReferenceDevice
            ? ReferenceDevice.Exact(array)
            : Array.ConvertAll(array.ToArray(), value => (double)value);

    internal sealed record Results(double[][] Outputs, double[][] Gradients)
    {
        /// <summary>Asserts that all outputs and gradients are bit-equal.</summary>
        public void ShouldHaveTheBitsOf(Results expected)
        {
            double[][] these = [.. Outputs, .. Gradients], those = [.. expected.Outputs, .. expected.Gradients];
            for (int i = 0; i < those.Length; i++)
            {
                float[] actual = Array.ConvertAll(these[i], value => (float)value);
                float[] exact = Array.ConvertAll(those[i], value => (float)value);
                actual.ShouldHaveTheBitsOf(exact, $"output or gradient {i}");
            }
        }
    }
}
