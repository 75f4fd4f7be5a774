using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Kernels;

public sealed class GatherTests
{
    // Forward copies. Backward adds as many float32 as an index has uses, here at most some tens.
    private const double GradientTolerance = 1e-6;

    [Theory]
    [InlineData(7, 1, 2, 9)]
    [InlineData(97, 65, 2, 24)]
    [InlineData(5, 200, 1, 40)]
    [InlineData(11, 64, 3, 1)]
    [InlineData(4, 3, 2, 0)]
    [InlineData(4, 3, 0, 5)]
    public void Embedding_matches_the_reference(int vocabulary, int width, int batch, int length)
    {
        FunctionCheck check = EmbeddingOf(vocabulary, width, batch, length);

        check.ShouldMatchTheReference(0, GradientTolerance);
        check.ShouldGiveTheSameBitsOnSlices();
    }

    [Fact]
    public void Reference_gradients_are_differences()
    {
        EmbeddingOf(5, 3, 2, 4).ShouldHaveTheDifferencesAsReferenceGradients();
        GatherOf(2, 4, 3, [3, -1, 0, 0, 2]).ShouldHaveTheDifferencesAsReferenceGradients();
    }

    [Theory]
    [InlineData(1, 4, 5, new[] { 3, 2, 1, 0 })]
    [InlineData(3, 4, 67, new[] { 0, -1, 2, 2, 2, -1, 1 })]
    [InlineData(2, 6, 130, new[] { 5 })]
    [InlineData(2, 6, 3, new int[0])]
    [InlineData(0, 6, 3, new[] { 1, 0 })]
    public void Gather_matches_the_reference(int batch, int length, int channels, int[] order)
    {
        FunctionCheck check = GatherOf(batch, length, channels, order);

        check.ShouldMatchTheReference(0, GradientTolerance);
        check.ShouldGiveTheSameBitsOnSlices();
    }

    [Fact]
    public void Thread_count_changes_no_bit()
    {
        EmbeddingOf(31, 515, 4, 100).ShouldGiveTheSameBitsOnAnyNumberOfThreads();
        GatherOf(3, 100, 515, [.. Indices(5, 300, 100)]).ShouldGiveTheSameBitsOnAnyNumberOfThreads();
    }

    [Fact]
    public void Padding_is_zeros_and_sends_no_gradient()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Array([1, 2, 2], [1, 2, 3, 4]);
        using Tape tape = new(device);
        tape.Watch(x);

        DeviceArray y = Functions.Gather(x, device.Indices([-1, 1, -1]));
        tape.Backward((y, device.Array([1, 3, 2], [9, 9, 5, 6, 9, 9])));

        y.ToArray().Should().Equal(0, 0, 3, 4, 0, 0);
        tape.GradientOf(x).ToArray().Should().Equal(0, 0, 5, 6);
    }

    [Fact]
    public void An_order_and_its_inverse_change_nothing()
    {
        int[] order = [3, 0, 4, 1, 2], inverse = [1, 3, 4, 0, 2];
        float[] values = Samples.Normal(1, 2 * 5 * 7);
        using Device device = TestDevice.Open(2);

        DeviceArray there = Functions.Gather(device.Array([2, 5, 7], values), device.Indices(order));

        Functions.Gather(there, device.Indices(inverse)).ToArray().ShouldHaveTheBitsOf(values);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(-1)]
    public void An_id_outside_the_vocabulary_is_refused(int id)
    {
        using Device device = TestDevice.Open();
        DeviceArray table = device.Zeros([10, 2]);

        Action embed = () => Functions.Embedding(table, device.Indices([3, id, 4]), 1, 3);

        embed.Should().Throw<ArgumentOutOfRangeException>().WithMessage($"*id {id} *vocabulary of 10*");
    }

    [Theory]
    [InlineData(4)]
    [InlineData(-2)]
    public void A_position_outside_the_row_is_refused(int position)
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([2, 4, 3]);

        Action gather = () => Functions.Gather(x, device.Indices([0, position]));

        gather.Should().Throw<ArgumentOutOfRangeException>().WithMessage($"*0 to 3*found {position}*");
    }

    [Fact]
    public void Wrong_shapes_are_refused()
    {
        using Device device = TestDevice.Open();
        DeviceArray x = device.Zeros([4, 3]);

        Action gather = () => Functions.Gather(x, device.Indices([0]));
        Action embedTooFew = () => Functions.Embedding(x, device.Indices([0, 1, 2]), 2, 2);
        Action embedCube = () => Functions.Embedding(device.Zeros([1, 4, 3]), device.Indices([0]), 1, 1);

        gather.Should().Throw<ArgumentException>().WithMessage("*[batch, length, channels]*[4, 3]*");
        embedTooFew.Should().Throw<ArgumentException>().WithMessage("*Expected 3 rows of 3*[2, 2, 3]*");
        embedCube.Should().Throw<ArgumentException>().WithMessage("*[vocabulary, width]*[1, 4, 3]*");
    }

    private static FunctionCheck EmbeddingOf(int vocabulary, int width, int batch, int length)
    {
        int[] ids = Indices(1, batch * length, vocabulary);
        return new(
            x => Functions.Embedding(x[0], x[0].Device.Indices(ids), batch, length),
            ([vocabulary, width], Samples.Normal(2, vocabulary * width)));
    }

    private static FunctionCheck GatherOf(int batch, int length, int channels, int[] order) =>
        new(
            x => Functions.Gather(x[0], x[0].Device.Indices(order)),
            ([batch, length, channels], Samples.Normal(2, batch * length * channels)));

    private static int[] Indices(int seed, int count, int below)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.Next(below))];
    }
}
