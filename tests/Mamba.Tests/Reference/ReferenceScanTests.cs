using Mamba.Autograd;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Kernels;

namespace Mamba.Tests.Reference;

public sealed class ReferenceScanTests
{
    // A fourth-order central difference with steps of 1e-3 has an error of about 1e-12 of the fifth derivative.
    private const double Tolerance = 1e-8;

    private const double Step = 1e-3;

    [Theory]
    [InlineData(false, false, false)]
    [InlineData(false, true, false)]
    [InlineData(false, false, true)]
    [InlineData(true, false, false)]
    [InlineData(true, true, true)]
    [InlineData(false, false, false, true)]
    [InlineData(true, false, false, true)]
    public void Gradients_are_central_differences(bool complex, bool constantB, bool constantC, bool isALog = false)
    {
        using ReferenceDevice device = TestDevice.Reference();
        ScanCase scan = new(2, 4, 4, 2)
        {
            IsComplex = complex, HasConstantB = constantB, HasConstantC = constantC, IsALog = isALog,
            Groups = constantB && constantC ? 1 : 2, SegmentLengths = [4, 1, 3],
        };
        Dictionary<string, double[]> analytic = scan.Run(device);
        ScanInputs inputs = scan.Inputs(device);
        foreach ((string name, DeviceArray array) in ScanCase.Named(inputs))
        {
            double[] values = ReferenceDevice.Exact(array);

            double[] numeric = [.. Enumerable.Range(0, values.Length).Select(Difference)];

            analytic[$"gradient of {name}"].ShouldBeClose(numeric, Tolerance, name);

            double Difference(int i)
            {
                double near = At(i, Step) - At(i, -Step), far = At(i, 2 * Step) - At(i, -2 * Step);
                ReferenceDevice.Set(array, i, values[i]);
                return ((8 * near) - far) / (12 * Step);
            }

            double At(int i, double offset)
            {
                ReferenceDevice.Set(array, i, values[i] + offset);
                return Loss(device, scan, inputs);
            }
        }
    }

    [Fact]
    public void One_state_with_A_of_minus_one_is_a_leaky_sum()
    {
        using ReferenceDevice device = TestDevice.Reference();
        double step = Math.Log(2);
        ScanInputs inputs = new()
        {
            X = device.Array([1, 3, 1], [1, 2, 3]),
            Delta = device.ExactArray([1, 3, 1], [step, step, step]),
            A = device.Array([1, 1], [-1]),
            B = device.Array([1, 3, 1], [1, 1, 1]),
            C = device.Array([1, 3, 1], [1, 1, 1]),
        };

        DeviceArray y = Functions.SelectiveScan(inputs).Y;

        ReferenceDevice.Exact(y).ShouldBeClose([step, 2.5 * step, 4.25 * step], 1e-15);
    }

    private static double Loss(ReferenceDevice device, ScanCase scan, ScanInputs inputs)
    {
        using DeviceScope scope = device.Scope();
        (DeviceArray y, DeviceArray state) = Functions.SelectiveScan(inputs, scan.Segments);
        double[] gy = ReferenceDevice.Exact(scan.Normal(device, 10, y.Shape));
        double[] gState = ReferenceDevice.Exact(scan.Normal(device, 11, state.Shape));
        return ReferenceDevice.Exact(y).Zip(gy, (a, b) => a * b).Sum()
            + ReferenceDevice.Exact(state).Zip(gState, (a, b) => a * b).Sum();
    }
}
