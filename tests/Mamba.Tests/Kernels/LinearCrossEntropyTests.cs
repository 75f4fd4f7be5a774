using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.Kernels;

/// <summary>Cross-entropy of logits that are computed for a slice of the classes at a time.</summary>
public sealed class LinearCrossEntropyTests
{
    // As in LossTests, with a product of short rows before.
    private const double Tolerance = 1e-6, GradientTolerance = 3e-6;

    /// <summary>
    /// Rows, width and classes: one slice, one whole slice, two, and three of which the last is short.
    /// </summary>
    public static TheoryData<int, int, int> Sizes => new()
    {
        { 3, 4, 7 }, { 2, 5, 2048 }, { 5, 3, 2049 }, { 7, 8, 4100 }, { 90, 6, 2500 }, { 0, 4, 9 },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void It_matches_the_reference(int rows, int width, int classes) =>
        Check(rows, width, classes).ShouldMatchTheReference(Tolerance, GradientTolerance);

    [Theory]
    [MemberData(nameof(Sizes))]
    public void It_gives_what_the_whole_logits_give(int rows, int width, int classes)
    {
        using Device device = TestDevice.Open(2);
        int[] targets = Targets(rows, classes);

        DeviceArray[] sliced = Check(rows, width, classes).Run(device, asSlices: false);
        DeviceArray[] whole = new FunctionCheck(
            x => Functions.CrossEntropy(Functions.Linear(x[0], x[1]), device.Indices(targets)),
            Inputs(rows, width, classes)).Run(device, asSlices: false);

        for (int i = 0; i < whole.Length; i++)
        {
            sliced[i].ToArray().ShouldBeClose(whole[i].ToArray(), GradientTolerance);
        }

        if (classes <= 2048)
        {
            sliced[0].ToArray().ShouldHaveTheBitsOf(whole[0].ToArray());
        }
    }

    [Fact]
    public void Logits_that_are_computed_again_change_no_bit_and_are_not_kept()
    {
        const int Rows = 40, Width = 6, Classes = 5000;
        ((Shape Shape, float[] Values) x, (Shape Shape, float[] Values) weight) =
            (Inputs(Rows, Width, Classes)[0], Inputs(Rows, Width, Classes)[1]);
        float[][] Run(bool recomputes)
        {
            using Device device = TestDevice.Open();
            using DeviceScope scope = device.Scope();
            LinearCrossEntropyOperation operation = new LinearCrossEntropyOperation()
            {
                X = device.Array(x.Shape, x.Values),
                Weight = device.Array(weight.Shape, weight.Values),
                Targets = device.Indices(Targets(Rows, Classes)),
                IgnoreIndex = Functions.IgnoredTarget,
                Recomputes = recomputes,
            }.Prepare(device, keep: true);
            LinearCrossEntropyOperation gradients = operation with
            {
                X = device.Zeros(x.Shape),
                Weight = device.Zeros(weight.Shape),
                Loss = device.Array([1], [0.7f]),
            };

            operation.Forward(device);
            operation.Backward(device, gradients);

            return [operation.Loss.ToArray(), gradients.X.ToArray(), gradients.Weight.ToArray()];
        }

        (float[][] again, float[][] kept) = (Run(recomputes: true), Run(recomputes: false));

        for (int i = 0; i < kept.Length; i++)
        {
            again[i].ShouldHaveTheBitsOf(kept[i]);
        }
    }

    [Fact]
    public void The_logits_of_a_large_vocabulary_never_exist_as_a_whole()
    {
        const int Rows = 700, Width = 4, Classes = 30_000;
        using Device device = TestDevice.Open();
        using DeviceScope scope = device.Scope();
        DeviceArray x = device.Array([1, Rows, Width], Samples.Normal(1, Rows * Width));
        DeviceArray weight = device.Array([Classes, Width], Samples.Normal(2, Classes * Width));
        long before = device.AllocatedBytes;
        using Tape tape = new(device);
        tape.Watch(x);
        tape.Watch(weight);

        tape.Backward(Functions.LinearCrossEntropy(x, weight, device.Indices(Targets(Rows, Classes))));

        long whole = (long)Rows * Classes * sizeof(float);
        (device.AllocatedBytes - before).Should().BeLessThan(whole / 2);
    }

    [Fact]
    public void A_slice_of_nothing_but_minus_infinity_has_no_part()
    {
        const int Classes = 4096 + 5;
        using Device device = TestDevice.Open();
        float[] weight = new float[Classes];
        Array.Fill(weight, float.NegativeInfinity, 2048, 2048);
        DeviceArray x = device.Array([1, 1], [1]);

        DeviceArray loss = Functions.LinearCrossEntropy(x, device.Array([Classes, 1], weight), device.Indices([4100]));

        loss.ToArray().ShouldBeClose([Math.Log(2048 + 5)], 1e-6);
    }

    [Fact]
    public void Wrong_operands_are_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 3, 5]), weight = device.Zeros([7, 5]);

        Action tooFew = () => Functions.LinearCrossEntropy(x, weight, device.Indices([1, 2]));
        Action width = () => Functions.LinearCrossEntropy(x, device.Zeros([7, 6]), device.Indices(new int[6]));
        Action target = () => Functions.LinearCrossEntropy(x, weight, device.Indices([0, 0, 0, 7, 0, 0]));

        tooFew.Should().Throw<ArgumentException>().WithMessage("*Expected 6 targets*found 2*");
        width.Should().Throw<ArgumentException>().WithMessage("*the weight of shape [7, 5]; found [7, 6]*");
        target.Should().Throw<ArgumentOutOfRangeException>().WithMessage("*Target 7 of row 3*7 classes*");
    }

    private static FunctionCheck Check(int rows, int width, int classes) => new(
        x => Functions.LinearCrossEntropy(x[0], x[1], x[0].Device.Indices(Targets(rows, classes))),
        Inputs(rows, width, classes));

    private static (Shape Shape, float[] Values)[] Inputs(int rows, int width, int classes) =>
    [
        ([1, rows, width], Samples.Normal(1, rows * width, 2)),
        ([classes, width], Samples.Normal(2, classes * width)),
    ];

    private static int[] Targets(int rows, int classes)
    {
        Random random = new(5);
        return
        [
            .. Enumerable.Range(0, rows)
                .Select(row => row % 5 == 4 ? Functions.IgnoredTarget : random.Next(classes)),
        ];
    }
}
