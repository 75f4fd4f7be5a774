using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

public sealed class AttentionTests
{
    // A softmax and two dot products in float32.
    private const double Tolerance = 2e-6;

    [Theory]
    [InlineData(1, 1, 1, 1, 1, 0)]
    [InlineData(2, 7, 4, 2, 6, 0)]
    [InlineData(2, 5, 3, 3, 17, 4)]
    [InlineData(1, 9, 6, 1, 33, 1)]
    [InlineData(2, 0, 2, 2, 4, 3)]
    public void Matches_the_reference(int batch, int length, int heads, int shared, int dim, int past)
    {
        using Device tested = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();

        double[][] actual = Run(tested, batch, length, heads, shared, dim, past, null);
        double[][] expected = Run(reference, batch, length, heads, shared, dim, past, null);

        ShouldBeClose(actual, expected);
    }

    [Fact]
    public void Packed_segments_match_the_reference()
    {
        using Device tested = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();
        Segments segments = Segments.FromLengths([4, 1, 0, 2, 3]);

        double[][] actual = Run(tested, 2, 5, 4, 2, 6, 0, segments);
        double[][] expected = Run(reference, 2, 5, 4, 2, 6, 0, segments);

        ShouldBeClose(actual, expected);
    }

    [Theory]
    [InlineData(8, 8, false, 0)]
    [InlineData(8, 6, true, 3)]
    [InlineData(5, 2, false, 100_000)]
    [InlineData(4, 0, false, 0)]
    public void Rotary_matches_the_reference(int headDim, int rotaryDim, bool interleaved, int offset)
    {
        using Device tested = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();
        RotaryOptions options = new(headDim, rotaryDim, offset, Interleaved: interleaved);

        double[][] actual = Turn(tested, options), expected = Turn(reference, options);

        ShouldBeClose(actual, expected);
    }

    [Fact]
    public void Heads_that_do_not_divide_are_refused()
    {
        using Device tested = TestDevice.Open();
        DeviceArray x = tested.Zeros([1, 2, 12]);

        Action attend = () => Functions.Attention(
            new() { Queries = x, Keys = x, Values = x, Heads = 3, KeyValueHeads = 2 });

        attend.Should().Throw<ArgumentException>().WithMessage("*[1, 2, 12]*3*2*");
    }

    private static void ShouldBeClose(double[][] actual, double[][] expected)
    {
        for (int i = 0; i < actual.Length; i++)
        {
            actual[i].ShouldBeClose(expected[i], Tolerance, $"array {i}");
        }
    }

    /// <summary>The output and all gradients, of inputs that are slices of one projection.</summary>
    private static double[][] Run(
        Device device, int batch, int length, int heads, int shared, int dim, int past, Segments? segments)
    {
        int width = (heads + (2 * shared)) * dim;
        int count = batch * length * width, pastCount = batch * past * shared * dim;
        DeviceArray qkv = device.Array([batch, length, width], Samples.Normal(1, count));
        DeviceArray pastK = device.Array([batch, past, shared * dim], Samples.Normal(2, pastCount));
        DeviceArray pastV = device.Array([batch, past, shared * dim], Samples.Normal(3, pastCount));
        using Tape tape = new(device);
        tape.Watch(qkv);
        tape.Watch(pastK);
        tape.Watch(pastV);
        DeviceArray y = Functions.Attention(
            new()
            {
                Queries = qkv.Slice(0, heads * dim),
                Keys = qkv.Slice(heads * dim, shared * dim),
                Values = qkv.Slice((heads + shared) * dim, shared * dim),
                PastKeys = past > 0 ? pastK : default,
                PastValues = past > 0 ? pastV : default,
                Heads = heads,
                KeyValueHeads = shared,
            },
            segments);
        tape.Backward((y, device.Array(y.Shape, Samples.Normal(4, (int)y.Shape.Count))));
        DeviceArray[] results = [y, tape.GradientOf(qkv), tape.GradientOf(pastK), tape.GradientOf(pastV)];
        return [.. results.Select(ReferenceDevice.ValuesOf)];
    }

    private static double[][] Turn(Device device, RotaryOptions options)
    {
        DeviceArray x = device.Array([2, 5, 3 * options.HeadDim], Samples.Normal(1, 30 * options.HeadDim));
        using Tape tape = new(device);
        tape.Watch(x);
        DeviceArray y = Functions.Rotary(x, options);
        tape.Backward((y, device.Array(y.Shape, Samples.Normal(2, (int)y.Shape.Count))));
        return [ReferenceDevice.ValuesOf(y), ReferenceDevice.ValuesOf(tape.GradientOf(x))];
    }
}
