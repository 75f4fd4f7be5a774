using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

/// <summary>Functions of images, against the formulas that PyTorch documents for them, in plain loops.</summary>
public sealed class ImageFunctionTests
{
    // Sums of up to some hundred products in float32.
    private const double Tolerance = 2e-6;

    private delegate double Pixels(int b, int i, int j, int c);

    /// <summary>Shape of x, outputs, taps down and across, stride, padding, dilation.</summary>
    public static TheoryData<int[], int, int[], int, int, int> Convolutions => new()
    {
        { [2, 5, 6, 3], 4, [3, 3], 1, 1, 1 },
        { [2, 5, 6, 3], 4, [3, 3], 2, 0, 1 },
        { [1, 9, 8, 5], 7, [3, 2], 2, 2, 2 },
        { [1, 4, 4, 3], 5, [4, 4], 4, 0, 1 },
        { [3, 4, 5, 17], 6, [1, 1], 1, 0, 1 },
        { [2, 4, 5, 3], 6, [1, 1], 2, 0, 1 },
        { [0, 4, 5, 3], 2, [3, 3], 1, 1, 1 },
        { [1, 1, 1, 2], 3, [5, 5], 1, 2, 1 },
    };

    [Theory]
    [MemberData(nameof(Convolutions))]
    public void A_convolution_matches_its_definition(
        int[] shape, int outputs, int[] taps, int stride, int padding, int dilation)
    {
        int channels = shape[3], height = Outputs(shape[1], taps[0]), width = Outputs(shape[2], taps[1]);
        FunctionCheck check = new(
            x => Functions.Convolution2d(x[0], x[1], x[2], stride, padding, dilation),
            Input(1, shape),
            Input(2, [outputs, taps[0], taps[1], channels], 1 / Math.Sqrt(taps[0] * taps[1] * channels)),
            Input(3, [outputs]));

        check.ShouldMatchTheReference(Tolerance, Tolerance);
        check.ShouldGiveTheSameBitsOnAnyNumberOfThreads();
        check.ShouldGiveTheSameBitsOnSlices();
        ShouldBe(check, [shape[0], height, width, outputs], inputs => (b, i, j, o) =>
        {
            double sum = inputs[2](0, 0, 0, o);
            for (int tap = 0; tap < taps[0] * taps[1] * channels; tap++)
            {
                int a = tap / channels / taps[1], c = tap / channels % taps[1], channel = tap % channels;
                int row = (i * stride) - padding + (a * dilation), column = (j * stride) - padding + (c * dilation);
                if (row >= 0 && row < shape[1] && column >= 0 && column < shape[2])
                {
                    sum += inputs[1](o, a, c, channel) * inputs[0](b, row, column, channel);
                }
            }

            return sum;
        });

        int Outputs(int count, int taps) => ((count + (2 * padding) - (dilation * (taps - 1)) - 1) / stride) + 1;
    }

    [Fact]
    public void Images_that_are_convolved_one_by_one_have_the_bits_of_each_alone()
    {
        // A batch whose pixels are too many to be gathered at once.
        float[] values = Samples.Normal(1, 3 * 64 * 64 * 64);
        FunctionCheck check = new(
            x => Functions.Convolution2d(x[0], x[1], padding: 1),
            ([3, 64, 64, 64], values),
            Input(2, [2, 3, 3, 64], 0.05));
        using Device device = TestDevice.Open(2);
        DeviceArray[] all = check.Run(device, asSlices: false);
        DeviceArray one = Functions.Convolution2d(
            device.Array([1, 64, 64, 64], values.AsSpan(64 * 64 * 64, 64 * 64 * 64)),
            device.Array([2, 3, 3, 64], check.Inputs[1].Values),
            padding: 1);

        check.ShouldGiveTheSameBitsOnSlices();
        all[0].ToArray()[(64 * 64 * 2)..(64 * 64 * 4)].ShouldBeAsAlone(one.ToArray());
        DeviceArray[] expected = new FunctionCheck(
            x => Functions.Linear(
                Functions.Concat(
                    3,
                    [
                        .. Enumerable.Range(0, 9).Select(tap => Functions.Slice(
                            Functions.Slice(Functions.Pad(Functions.Pad(x[0], 1, 1, 1), 2, 1, 1), 1, tap / 3, 64),
                            2,
                            tap % 3,
                            64)),
                    ]),
                x[1].Reshape([2, 576])),
            [.. check.Inputs]).Run(device, asSlices: false);
        for (int i = 0; i < expected.Length; i++)
        {
            all[i].ToArray().ShouldBeClose(expected[i].ToArray(), 10 * Tolerance, $"result {i}");
        }
    }

    /// <summary>Shape of x, outputs, taps down and across, stride, padding, output padding.</summary>
    public static TheoryData<int[], int, int[], int, int, int> Transposed => new()
    {
        { [2, 3, 4, 3], 5, [2, 2], 2, 0, 0 },
        { [2, 3, 4, 3], 5, [3, 3], 1, 1, 0 },
        { [1, 3, 4, 2], 3, [3, 3], 2, 1, 1 },
        { [1, 3, 2, 2], 3, [4, 3], 2, 1, 0 },
        { [1, 3, 2, 2], 3, [2, 1], 3, 0, 2 },
        { [1, 1, 1, 2], 3, [5, 5], 2, 0, 0 },
        { [0, 3, 2, 2], 3, [2, 2], 2, 0, 0 },
    };

    [Theory]
    [MemberData(nameof(Transposed))]
    public void A_transposed_convolution_matches_its_definition(
        int[] shape, int outputs, int[] taps, int stride, int padding, int outputPadding)
    {
        int height = ((shape[1] - 1) * stride) - (2 * padding) + taps[0] + outputPadding;
        int width = ((shape[2] - 1) * stride) - (2 * padding) + taps[1] + outputPadding;
        FunctionCheck check = new(
            x => Functions.TransposedConvolution2d(x[0], x[1], x[2], stride, padding, outputPadding),
            Input(1, shape),
            Input(2, [taps[0], taps[1], outputs, shape[3]]),
            Input(3, [outputs]));

        check.ShouldMatchTheReference(Tolerance, Tolerance);
        check.ShouldGiveTheSameBitsOnAnyNumberOfThreads();
        check.ShouldGiveTheSameBitsOnSlices();
        ShouldBe(check, [shape[0], height, width, outputs], inputs => (b, i, j, o) =>
        {
            // Each pixel is spread over the outputs from (row·stride - padding) on.
            double sum = inputs[2](0, 0, 0, o);
            for (int pixel = 0; pixel < shape[1] * shape[2]; pixel++)
            {
                int a = i + padding - (pixel / shape[2] * stride), t = j + padding - (pixel % shape[2] * stride);
                for (int c = 0; c < shape[3] && a >= 0 && a < taps[0] && t >= 0 && t < taps[1]; c++)
                {
                    sum += inputs[0](b, pixel / shape[2], pixel % shape[2], c) * inputs[1](a, t, o, c);
                }
            }

            return sum;
        });
    }

    [Fact]
    public void A_transposed_convolution_is_the_way_back_of_a_convolution()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([1, 5, 5, 2], Samples.Normal(1, 50));
        DeviceArray weight = device.Array([3, 3, 3, 2], Samples.Normal(2, 54));
        using Tape tape = new(device);
        tape.Watch(x);
        DeviceArray y = Functions.Convolution2d(x, weight, stride: 2, padding: 1);
        DeviceArray gy = device.Array(y.Shape, Samples.Normal(3, (int)y.Shape.Count));
        tape.Backward((y, gy));

        DeviceArray back = Functions.TransposedConvolution2d(
            gy, Functions.Permute(weight, 1, 2, 3, 0), stride: 2, padding: 1);

        back.ToArray().ShouldBeClose(tape.GradientOf(x).ToArray(), Tolerance);
    }

    [Theory]
    [InlineData(2, 0, 0)]
    [InlineData(3, 0, 0)]
    [InlineData(3, 2, 1)]
    [InlineData(2, 1, 0)]
    [InlineData(4, 3, 2)]
    [InlineData(1, 1, 0)]
    public void Pooling_matches_its_definition(int size, int stride, int padding)
    {
        int[] shape = [2, 7, 9, 5];
        int step = stride == 0 ? size : stride;
        int height = ((7 + (2 * padding) - size) / step) + 1, width = ((9 + (2 * padding) - size) / step) + 1;

        // Eighths, so that some numbers are equal.
        (Shape, float[]) x = (
            Shape.Create(shape), Array.ConvertAll(Samples.Normal(1, 630), value => MathF.Round(value * 8) / 8));
        foreach (bool isMax in new[] { true, false })
        {
            FunctionCheck check = new(
                x => isMax
                    ? Functions.MaxPool2d(x[0], size, stride, padding)
                    : Functions.MeanPool2d(x[0], size, stride, padding),
                x);

            check.ShouldMatchTheReference(Tolerance, Tolerance);
            check.ShouldGiveTheSameBitsOnAnyNumberOfThreads();
            check.ShouldGiveTheSameBitsOnSlices();
            ShouldBe(check, [2, height, width, 5], inputs => (b, i, j, c) =>
            {
                List<double> window = [];
                for (int tap = 0; tap < size * size; tap++)
                {
                    int row = (i * step) - padding + (tap / size), column = (j * step) - padding + (tap % size);
                    if (row >= 0 && row < 7 && column >= 0 && column < 9)
                    {
                        window.Add(inputs[0](b, row, column, c));
                    }
                }

                return isMax ? window.Max() : window.Sum() / (size * size);
            });
        }
    }

    [Theory]
    [InlineData(10, 12, false)]
    [InlineData(10, 12, true)]
    [InlineData(3, 4, false)]
    [InlineData(3, 4, true)]
    [InlineData(5, 13, false)]
    [InlineData(1, 1, true)]
    [InlineData(7, 1, false)]
    public void Resized_images_match_the_definitions(int height, int width, bool alignCorners)
    {
        FunctionCheck linear = new(
            x => Functions.Resize(x[0], height, width, Interpolation.Bilinear, alignCorners), Input(1, [2, 5, 6, 3]));
        FunctionCheck nearest = new(
            x => Functions.Resize(x[0], height, width, Interpolation.Nearest), Input(1, [2, 5, 6, 3]));

        linear.ShouldMatchTheReference(Tolerance, Tolerance);
        linear.ShouldGiveTheSameBitsOnAnyNumberOfThreads();
        linear.ShouldGiveTheSameBitsOnSlices();
        nearest.ShouldMatchTheReference(0, Tolerance);
        ShouldBe(nearest, [2, height, width, 3], inputs =>
            (b, i, j, c) => inputs[0](b, (int)Math.Floor(i * (5.0 / height)), (int)Math.Floor(j * (6.0 / width)), c));
        ShouldBe(linear, [2, height, width, 3], inputs => (b, i, j, c) =>
        {
            double y = Place(i, 5, height), x = Place(j, 6, width), sum = 0;
            for (int row = 0; row < 5; row++)
            {
                for (int column = 0; column < 6; column++)
                {
                    double weight = Math.Max(0, 1 - Math.Abs(y - row)) * Math.Max(0, 1 - Math.Abs(x - column));
                    sum += weight * inputs[0](b, row, column, c);
                }
            }

            return sum;
        });

        double Place(int i, int count, int wanted) => alignCorners
            ? wanted == 1 ? 0 : (double)i * (count - 1) / (wanted - 1)
            : Math.Clamp(((i + 0.5) * count / wanted) - 0.5, 0, count - 1);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Pixels_are_taken_from_channels(int factor)
    {
        int square = factor * factor;
        FunctionCheck check = new(x => Functions.PixelShuffle(x[0], factor), Input(1, [2, 3, 4, 5 * square]));

        check.ShouldMatchTheReference(0, 0);
        ShouldBe(check, [2, 3 * factor, 4 * factor, 5], inputs => (b, i, j, c) => inputs[0](
            b, i / factor, j / factor, (c * square) + (i % factor * factor) + (j % factor)));
    }

    [Fact]
    public void Patches_are_rows_of_their_pixels()
    {
        using Device device = TestDevice.Open();
        float[] values = [.. Enumerable.Range(0, 48).Select(i => (float)i)];

        Functions.Patches(device.Array([1, 4, 3], values.AsSpan(0, 12)), 2).Shape.Should().Be(Shape.Create([1, 2, 6]));
        DeviceArray images = Functions.Patches(device.Array([1, 4, 6, 2], values), 2, 3);
        images.Shape.Should().Be(Shape.Create([1, 2, 2, 12]));
        images.ToArray()[12..24].Should().Equal(6, 7, 8, 9, 10, 11, 18, 19, 20, 21, 22, 23);
        DeviceArray volumes = Functions.Patches(device.Array([1, 2, 4, 6, 1], values), 2, 2, 3);
        volumes.Shape.Should().Be(Shape.Create([1, 1, 2, 2, 12]));
        volumes.ToArray()[12..24].Should().Equal(3, 4, 5, 9, 10, 11, 27, 28, 29, 33, 34, 35);
    }

    [Theory]
    [InlineData(new[] { 3, 12, 5 }, new[] { 4 })]
    [InlineData(new[] { 2, 6, 10, 3 }, new[] { 2, 5 })]
    [InlineData(new[] { 2, 4, 6, 10, 3 }, new[] { 2, 3, 5 })]
    [InlineData(new[] { 1, 4, 1, 6, 1 }, new[] { 1, 1, 3 })]
    [InlineData(new[] { 0, 4, 6, 3 }, new[] { 2, 2 })]
    public void Patches_put_together_are_the_whole(int[] shape, int[] sizes)
    {
        FunctionCheck patches = new(x => Functions.Patches(x[0], sizes), Input(1, shape));
        patches.ShouldMatchTheReference(0, 0);
        patches.ShouldGiveTheSameBitsOnSlices();
        using Device device = TestDevice.Open(2);
        (Shape sizesOfX, float[] values) = Input(1, shape);

        DeviceArray whole = Functions.Unpatch(Functions.Patches(device.Array(sizesOfX, values), sizes), sizes);

        whole.Shape.Should().Be(sizesOfX);
        whole.ToArray().ShouldHaveTheBitsOf(values);
    }

    [Theory]
    [InlineData(3, 2)]
    [InlineData(2, 2)]
    [InlineData(1, 3)]
    [InlineData(5, 1)]
    [InlineData(2, 3)]
    public void Windows_of_every_axis_match_the_definition(int size, int step)
    {
        foreach (Shape shape in new Shape[] { [7], [3, 8, 5], [5, 6, 9, 2], [2, 5, 40] })
        {
            for (int axis = 0; axis < shape.Rank; axis++)
            {
                if (shape[axis] < size)
                {
                    continue;
                }

                FunctionCheck check = new(x => Functions.Unfold(x[0], axis, size, step), Input(1, shape.ToArray()));
                check.ShouldMatchTheReference(0, Tolerance);
                check.ShouldGiveTheSameBitsOnSlices();
                using Device device = TestDevice.Open(2);
                DeviceArray y = check.Run(device, asSlices: false)[0];
                AxisView view = AxisView.Of(shape, axis);
                int windows = (((int)view.Count - size) / step) + 1, inner = (int)view.Inner;
                float[] x = Samples.Normal(1, (int)shape.Count);
                y.Shape.Rank.Should().Be(shape.Rank + 1);
                y.ToArray().Should().Equal(Enumerable.Range(0, (int)y.Shape.Count).Select(place =>
                {
                    int entry = place / inner % size, window = place / inner / size % windows;
                    int outer = place / inner / size / windows;
                    return x[(((outer * (int)view.Count) + (window * step) + entry) * inner) + (place % inner)];
                }));
            }
        }
    }

    [Fact]
    public void Reference_gradients_are_differences()
    {
        foreach (Func<DeviceArray, DeviceArray> function in new Func<DeviceArray, DeviceArray>[]
        {
            x => Functions.MeanPool2d(x, 3, 2, 1),
            x => Functions.MeanPool2d(x, 2),
            x => Functions.Resize(x, 7, 3, Interpolation.Bilinear),
            x => Functions.Resize(x, 7, 3, Interpolation.Nearest),
            x => Functions.PixelShuffle(x, 2),
            x => Functions.Patches(x, 2, 2),
            x => Functions.Unpatch(x, 2, 2),
            x => Functions.Unfold(x, 1, 3, 1),
            x => Functions.Unfold(x, 3, 3, 1),
        })
        {
            new FunctionCheck(x => function(x[0]), Input(1, [1, 4, 4, 4]))
                .ShouldHaveTheDifferencesAsReferenceGradients();
        }

        float[] apart = [.. Enumerable.Range(0, 64).Select(i => i * 37 % 64 / 10f)];
        new FunctionCheck(x => Functions.MaxPool2d(x[0], 3, 1, 1), ([1, 4, 4, 4], apart))
            .ShouldHaveTheDifferencesAsReferenceGradients();
        new FunctionCheck(
            x => Functions.Convolution2d(x[0], x[1], x[2], 2, 1),
            Input(1, [2, 4, 3, 2]), Input(2, [3, 3, 3, 2]), Input(3, [3]))
            .ShouldHaveTheDifferencesAsReferenceGradients();
        new FunctionCheck(
            x => Functions.TransposedConvolution2d(x[0], x[1], x[2], 2, 1, 1),
            Input(1, [2, 3, 2, 2]), Input(2, [3, 3, 3, 2]), Input(3, [3]))
            .ShouldHaveTheDifferencesAsReferenceGradients();
    }

    [Fact]
    public void Layers_compute_their_functions()
    {
        using Device device = TestDevice.Open();
        using Convolution2d convolution = new(device, 3, 5, 3, bias: true, new Random(1), stride: 2, padding: 1);
        using PatchEmbedding embedding = new(device, 3, 2, 7, new Random(2));
        DeviceArray x = device.Array([2, 4, 6, 3], Samples.Normal(1, 144));

        DeviceArray y = convolution.Forward(x), tokens = embedding.Forward(x);

        y.ToArray().ShouldHaveTheBitsOf(
            Functions.Convolution2d(x, convolution.Weight.Value, convolution.Bias!.Value, 2, 1).ToArray());
        tokens.Shape.Should().Be(Shape.Create([2, 6, 7]));
        DeviceArray filter = embedding.Projection.Weight.Value.Reshape([7, 2, 2, 3]);
        tokens.ToArray().ShouldBeClose(
            Functions.Convolution2d(x, filter, embedding.Projection.Bias!.Value, stride: 2).ToArray(), Tolerance);
        convolution.Parameters.Select(named => named.Name).Should().Equal("weight", "bias");
        embedding.Parameters.Select(named => named.Name).Should().Equal("projection.weight", "projection.bias");
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 5, 6, 3]), flat = device.Zeros([5, 6, 3]);

        Refused(() => Functions.Convolution2d(flat, device.Zeros([2, 3, 3, 3])), "*channels]*[5, 6, 3]*");
        Refused(() => Functions.Convolution2d(x, device.Zeros([2, 3, 3, 4])), "*taps across, 3]*[2, 3, 3, 4]*");
        Refused(() => Functions.Convolution2d(x, device.Zeros([2, 3, 3, 3]), device.Zeros([3])), "*[2]*[3]*");
        Refused(() => Functions.Convolution2d(x, device.Zeros([2, 6, 3, 3])), "*[2, 5, 6, 3]*6 × 3*padding of 0*");
        Refused(() => Functions.Convolution2d(x, device.Zeros([2, 3, 3, 3]), stride: 0), "*stride*");
        Refused(() => Functions.Convolution2d(x, device.Zeros([2, 3, 3, 3]), padding: -1), "*padding*");
        Refused(() => Functions.TransposedConvolution2d(x, device.Zeros([3, 3, 2, 4])), "*outputs, 3]*[3, 3, 2, 4]*");
        Refused(
            () => Functions.TransposedConvolution2d(x, device.Zeros([3, 3, 2, 3]), stride: 2, outputPadding: 2),
            "*outputPadding must be from 0 to below the stride of 2; found 2*");
        Refused(() => Functions.TransposedConvolution2d(x, device.Zeros([3, 3, 2, 3]), padding: 9), "*at least one*");
        Refused(() => Functions.MaxPool2d(x, 3, padding: 2), "*padding must be from 0 to 1; found 2*");
        Refused(() => Functions.MeanPool2d(x, 7), "*at least one window*[2, 5, 6, 3]*7 × 7*");
        Refused(() => Functions.MeanPool2d(x, 0), "*size must be positive; found 0*");
        Refused(() => Functions.Resize(x, 0, 4, Interpolation.Nearest), "*height*0*");
        Refused(() => Functions.Resize(x, 4, 4, (Interpolation)7), "*interpolation*7*");
        Refused(() => Functions.Resize(flat, 4, 4, Interpolation.Nearest), "*[5, 6, 3]*");
        Refused(() => Functions.PixelShuffle(x, 2), "*multiple of 4*[2, 5, 6, 3]*");
        Refused(() => Functions.Patches(x, 2, 2), "*divides axis 1 of [2, 5, 6, 3]*2*Pad*");
        Refused(() => Functions.Patches(x, 2), "*one for each axis*[2, 5, 6, 3]*[2]*");
        Refused(() => Functions.Unpatch(x, 2, 2), "*divide the rows of [2, 5, 6, 3]*[2, 2]*");
        Refused(() => Functions.Unfold(x, 1, 6, 1), "*from 1 to the 5 entries of axis 1 of [2, 5, 6, 3]*6*");
        Refused(() => Functions.Unfold(x, 1, 2, 0), "*step*0*");

        static void Refused(Action action, string message) =>
            action.Should().Throw<ArgumentException>().WithMessage(message);
    }

    private static (Shape, float[]) Input(int seed, int[] shape, double scale = 1) =>
        (Shape.Create(shape), Samples.Normal(seed, shape.Aggregate((a, b) => a * b), scale));

    /// <summary>Asserts that the reference device gives what a formula of the inputs says for each pixel.</summary>
    private static void ShouldBe(FunctionCheck check, int[] shape, Func<Pixels[], Pixels> formula)
    {
        using ReferenceDevice device = TestDevice.Reference();
        DeviceArray y = check.Run(device, asSlices: false)[0];
        Pixels expected = formula([.. check.Inputs.Select(PixelsOf)]);

        y.Shape.Should().Be(Shape.Create(shape));
        double[] actual = ReferenceDevice.Exact(y);
        for (int place = 0; place < actual.Length; place++)
        {
            int c = place % shape[3], j = place / shape[3] % shape[2], i = place / shape[3] / shape[2] % shape[1];
            int b = place / shape[3] / shape[2] / shape[1];
            actual[place].Should().BeApproximately(expected(b, i, j, c), 1e-6, "it is pixel {0}", (b, i, j, c));
        }
    }

    private static Pixels PixelsOf((Shape Shape, float[] Values) input)
    {
        int[] sizes = [.. Enumerable.Repeat(1, 4 - input.Shape.Rank), .. input.Shape.ToArray()];
        return (b, i, j, c) => input.Values[(((((b * sizes[1]) + i) * sizes[2]) + j) * sizes[3]) + c];
    }
}
