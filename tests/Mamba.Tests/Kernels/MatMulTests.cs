using CsCheck;
using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

public sealed class MatMulTests
{
    // A sum of K products of float32 is off by about √K·6e-8 of its size, and the largest K here is 4500.
    private const double Tolerance = 3e-6;

    // Second differences of a product vanish, so only the rounding of double over the step of 1e-4 remains.
    private const double DifferenceTolerance = 1e-9;

    [Fact]
    public void Product_matches_the_reference_at_every_small_size()
    {
        int[] rows = [0, 1, 3, 4, 8, 13], columns = [0, 1, 5, 16, 33, 47, 48, 50], depths = [0, 1, 7, 65];
        foreach (int m in rows)
        {
            foreach (int n in columns)
            {
                foreach (int k in depths)
                {
                    ShouldMatch(m, n, k, transposeA: (m + k) % 2 == 0, transposeB: (n + k) % 2 == 0);
                    ShouldMatch(m, n, k, transposeA: (m + k) % 2 == 1, transposeB: (n + k) % 2 == 0);
                }
            }
        }
    }

    [Theory]
    [InlineData(120, 50, 300)] // two items of rows, two blocks of k
    [InlineData(9, 700, 257)] // several items of panels, packed by themselves
    [InlineData(7, 50, 4500)] // three slabs of k
    [InlineData(1, 2300, 2048)] // two slabs of columns
    public void Product_matches_the_reference_across_the_borders_of_blocks(int m, int n, int k) =>
        ShouldMatch(m, n, k, transposeA: false, transposeB: true);

    [Fact]
    public void Product_does_not_read_what_it_overwrites()
    {
        using Device tested = TestDevice.Open();
        DeviceArray a = tested.Zeros([9, 300]), b = tested.Zeros([300, 70]), c = tested.Allocate([9, 70]);
        tested.Fill(c, float.NaN);

        tested.MatMul(a, false, b, false, c, accumulate: false);

        c.ToArray().Should().OnlyContain(value => value == 0);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Product_of_slices_gives_what_their_copies_give(bool transposeA, bool transposeB)
    {
        using Device tested = TestDevice.Open(2);
        DeviceArray a = tested.Array([40, 90], Samples.Normal(1, 3600)).Slice(7, 40);
        DeviceArray b = tested.Array([40, 90], Samples.Normal(2, 3600)).Slice(45, 40);
        DeviceArray whole = tested.Array([40, 90], Samples.Normal(3, 3600)), c = whole.Slice(11, 40);
        float[] before = whole.ToArray();
        DeviceArray expected = tested.Array([40, 40], c.ToArray());

        tested.MatMul(a, transposeA, b, transposeB, c, accumulate: true);

        tested.MatMul(CopyOf(a), transposeA, CopyOf(b), transposeB, expected, accumulate: true);
        c.ToArray().ShouldHaveTheBitsOf(expected.ToArray());
        c.CopyFrom(CopyOf(tested.Array([40, 90], before).Slice(11, 40)).ToArray());
        whole.ToArray().ShouldHaveTheBitsOf(before, "what surrounds the slice");
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Product_has_the_gradients_of_the_reference(bool transposeA, bool transposeB)
    {
        float[] a = Samples.Normal(1, 11 * 35), b = Samples.Normal(2, 35 * 60), gc = Samples.Normal(3, 11 * 60);
        using Device tested = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();

        DeviceArray[] actual = Run(tested), expected = Run(reference);

        for (int i = 0; i < actual.Length; i++)
        {
            actual[i].ToArray().ShouldBeClose(ReferenceDevice.Exact(expected[i]), Tolerance, $"array {i}");
        }

        DeviceArray[] Run(Device device)
        {
            DeviceArray left = device.Array(transposeA ? [35, 11] : [11, 35], a);
            DeviceArray right = device.Array(transposeB ? [60, 35] : [35, 60], b);
            using Tape tape = new(device);
            tape.Watch(left);
            tape.Watch(right);
            DeviceArray c = Functions.MatMul(left, right, transposeA, transposeB);
            tape.Backward((c, device.Array([11, 60], gc)));
            return [c, tape.GradientOf(left), tape.GradientOf(right)];
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Gradients_of_the_reference_are_those_of_central_differences(bool transposeA, bool transposeB)
    {
        using ReferenceDevice device = TestDevice.Reference();
        DeviceArray a = device.Array(transposeA ? [4, 3] : [3, 4], Samples.Normal(1, 12));
        DeviceArray b = device.Array(transposeB ? [2, 4] : [4, 2], Samples.Normal(2, 8));
        DeviceArray gc = device.Array([3, 2], Samples.Normal(3, 6));
        using Tape tape = new(device);
        tape.Watch(a);
        tape.Watch(b);

        tape.Backward((Functions.MatMul(a, b, transposeA, transposeB), gc));

        foreach (DeviceArray x in new[] { a, b })
        {
            double[] differences = CentralDifferences(x, () => Dot(Functions.MatMul(a, b, transposeA, transposeB), gc));
            ReferenceDevice.Exact(tape.GradientOf(x)).ShouldBeClose(differences, DifferenceTolerance);
        }
    }

    [Fact]
    public void Thread_count_changes_no_bit() =>
        Gen.Select(Gen.Int[1, 200], Gen.Int[1, 200], Gen.Int[1, 400], Gen.Bool, Gen.Bool).Sample(
            (m, n, k, transposeA, transposeB) =>
            {
                float[] expected = Run(1);

                foreach (int threads in new[] { 2, 5 })
                {
                    Run(threads).ShouldHaveTheBitsOf(expected, $"{m}, {n}, {k} on {threads} threads");
                }

                float[] Run(int threads)
                {
                    using CpuDevice tested = TestDevice.Cpu(threads);
                    DeviceArray a = tested.Array(transposeA ? [k, m] : [m, k], Samples.Normal(m, m * k));
                    DeviceArray b = tested.Array(transposeB ? [n, k] : [k, n], Samples.Normal(n, n * k));
                    return Functions.MatMul(a, b, transposeA, transposeB).ToArray();
                }
            },
            seed: "0000KOIKHa5w",
            iter: 8);

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using Device tested = TestDevice.Open();
        DeviceArray a = tested.Zeros([2, 3]), b = tested.Zeros([4, 5]), c = tested.Zeros([2, 6]);

        Action inner = () => Functions.MatMul(a, b);
        Action outer = () => tested.MatMul(a, false, tested.Zeros([3, 5]), false, c, accumulate: false);

        inner.Should().Throw<ArgumentException>().WithMessage("*found 4 and 3*[2, 3]*[4, 5]*");
        outer.Should().Throw<ArgumentException>().WithMessage("Expected [2, 5]*found [2, 6]*");
    }

    private static double[] CentralDifferences(DeviceArray x, Func<double> f)
    {
        const double step = 1e-4;
        double[] values = ReferenceDevice.Exact(x), gradient = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            ReferenceDevice.Set(x, i, values[i] + step);
            double above = f();
            ReferenceDevice.Set(x, i, values[i] - step);
            gradient[i] = (above - f()) / (2 * step);
            ReferenceDevice.Set(x, i, values[i]);
        }

        return gradient;
    }

    private static double Dot(DeviceArray x, DeviceArray y) =>
        ReferenceDevice.Exact(x).Zip(ReferenceDevice.Exact(y), (left, right) => left * right).Sum();

    private static DeviceArray CopyOf(DeviceArray x) => x.Device.Array(x.Shape, x.ToArray());

    private static void ShouldMatch(int m, int n, int k, bool transposeA, bool transposeB)
    {
        float[] a = Samples.Normal(m + 1, m * k), b = Samples.Normal(n + 2, k * n), c = Samples.Normal(k + 3, m * n);
        using Device tested = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();
        foreach (bool accumulate in new[] { false, true })
        {
            float[] actual = Run(tested, accumulate).ToArray();
            double[] expected = ReferenceDevice.Exact(Run(reference, accumulate));

            actual.ShouldBeClose(expected, Tolerance, $"product {m}, {n}, {k}, {transposeA}, {transposeB}");
        }

        DeviceArray Run(Device device, bool accumulate)
        {
            DeviceArray product = device.Array([m, n], c);
            device.MatMul(
                device.Array(transposeA ? [k, m] : [m, k], a),
                transposeA,
                device.Array(transposeB ? [n, k] : [k, n], b),
                transposeB,
                product,
                accumulate);
            return product;
        }
    }
}
