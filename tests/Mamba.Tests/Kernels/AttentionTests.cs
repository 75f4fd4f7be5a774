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
    [InlineData(null)]
    [InlineData(new[] { 2, 5 })]
    public void Sequences_see_as_much_of_their_past_as_its_length_says(int[]? segmentLengths)
    {
        using Device tested = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();
        Segments? segments = segmentLengths is null ? null : Segments.FromLengths(segmentLengths);

        double[][] actual = RunOnPool(tested, segments), expected = RunOnPool(reference, segments);

        ShouldBeClose(actual, expected);
    }

    [Fact]
    public void What_stands_behind_the_past_is_not_seen()
    {
        using Device tested = TestDevice.Open(2);

        double[][] zeros = RunOnPool(tested, null), other = RunOnPool(tested, null, behind: float.NaN);

        other[0].Should().Equal(zeros[0]);
    }

    [Fact]
    public void Lengths_of_the_past_that_do_not_fit_are_refused()
    {
        using Device tested = TestDevice.Open();
        DeviceArray x = tested.Zeros([2, 1, 4]), past = tested.Zeros([3, 5, 4]);

        Action Attend(int[] lengths, params int[] rows) => () => Functions.Attention(new()
        {
            Queries = x, Keys = x, Values = x, PastKeys = past, PastValues = past, Heads = 1, KeyValueHeads = 1,
            PastLengths = lengths, Slots = StateSlots.Of(rows),
        });

        Attend([1, 2], 0, 1).Should().Throw<ArgumentException>().WithMessage("Expected 3 PastLengths*found 2*");
        Attend([1, 2, 6], 0, 1).Should().Throw<ArgumentException>().WithMessage("Expected PastLengths of 0 to 5*6*");
        Attend([1, 2, -1], 0, 1).Should().Throw<ArgumentException>().WithMessage("Expected PastLengths of 0 to 5*-1*");
        Attend([1, 2, 5], 0, 3).Should().Throw<ArgumentException>().WithMessage("Slot 3 lies outside a pool of 3*");
        Attend([1, 2, 5], 0, 2).Should().NotThrow();
    }

    [Theory]
    [InlineData(null)]
    [InlineData(new[] { 4, 0, 2 })]
    public void Tokens_are_written_behind_those_of_their_row(int[]? segmentLengths)
    {
        using Device tested = TestDevice.Open(2);
        Segments? segments = segmentLengths is null ? null : Segments.FromLengths(segmentLengths);
        int[] starts = segmentLengths is null ? [0, 2, 4, 6] : [0, 4, 4, 6];
        int[] lengths = [9, 3, 0, 5, 1], rows = [4, 1, 3];
        float[] before = Samples.Normal(1, 5 * 9 * 7), x = Samples.Normal(2, 6 * 11);
        DeviceArray cache = tested.Array([5, 9, 7], before);
        DeviceArray tokens = tested.Array([3, 2, 11], x);
        if (segments is not null)
        {
            tokens = tokens.Reshape([1, 6, 11]);
        }

        Functions.Append(tokens.Slice(3, 7), cache, lengths, segments, StateSlots.Of(rows));

        for (int s = 0; s < 3; s++)
        {
            for (int t = starts[s]; t < starts[s + 1]; t++)
            {
                int row = (rows[s] * 9) + lengths[rows[s]] + t - starts[s];
                x.AsSpan((t * 11) + 3, 7).CopyTo(before.AsSpan(row * 7));
            }
        }

        cache.ToArray().Should().Equal(before);
        Action tooLong = () => Functions.Append(tokens.Slice(3, 7), cache, lengths, segments, StateSlots.Of(0, 1, 3));
        tooLong.Should().Throw<ArgumentException>().WithMessage("Sequence 0 has * tokens; its cache has room for 0*");
    }

    [Fact]
    public void Rotary_positions_begin_at_the_offset_of_the_row()
    {
        using Device tested = TestDevice.Open(2);
        DeviceArray x = tested.Array([2, 3, 8], Samples.Normal(1, 48));
        RotaryOptions options = new(4, 4, 5);

        float[] turned = Functions.Rotary(x, options, null, new[] { 7, 0, 2 }, StateSlots.Of(2, 0)).ToArray();

        for (int row = 0; row < 2; row++)
        {
            DeviceArray alone = tested.Array([1, 3, 8], x.ToArray().AsSpan(row * 24, 24));
            turned.AsSpan(row * 24, 24).ToArray().ShouldHaveTheBitsOf(
                Functions.Rotary(alone, options with { Offset = row == 0 ? 7 : 12 }).ToArray());
        }
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

    /// <summary>Two sequences whose past is in a pool of four rows; a row's end holds what nobody may see.</summary>
    private static double[][] RunOnPool(Device device, Segments? segments, float behind = 0)
    {
        const int Heads = 4, Shared = 2, Dim = 5, Room = 9;
        int[] lengths = [9, 4, 0, 6];
        float[] pastK = Samples.Normal(2, 4 * Room * Shared * Dim), pastV = Samples.Normal(3, pastK.Length);
        for (int row = 0; row < 4; row++)
        {
            int end = ((row * Room) + lengths[row]) * Shared * Dim, left = (Room - lengths[row]) * Shared * Dim;
            pastK.AsSpan(end, left).Fill(behind);
            pastV.AsSpan(end, left).Fill(behind);
        }

        Shape batch = segments is null ? [2, 7, Heads * Dim] : [1, 7, Heads * Dim];
        int tokens = batch[0] * 7;
        DeviceArray q = device.Array(batch, Samples.Normal(1, tokens * Heads * Dim));
        DeviceArray k = device.Array(batch.WithWidth(Shared * Dim), Samples.Normal(5, tokens * Shared * Dim));
        DeviceArray keys = device.Array([4, Room, Shared * Dim], pastK), values = device.Array(keys.Shape, pastV);
        using Tape tape = new(device);
        tape.Watch(q);
        tape.Watch(k);
        tape.Watch(keys);
        tape.Watch(values);
        DeviceArray y = Functions.Attention(
            new()
            {
                Queries = q, Keys = k, Values = k, PastKeys = keys, PastValues = values, PastLengths = lengths,
                Slots = StateSlots.Of(3, 1), Heads = Heads, KeyValueHeads = Shared,
            },
            segments);
        tape.Backward((y, device.Array(y.Shape, Samples.Normal(4, (int)y.Shape.Count))));
        DeviceArray[] results =
            [y, tape.GradientOf(q), tape.GradientOf(k), tape.GradientOf(keys), tape.GradientOf(values)];
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
