using System.Buffers.Binary;
using Mamba.Tasks.Pixels;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Tasks;

public sealed class ImageSetTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void An_image_is_read_patch_after_patch()
    {
        WriteImages("train", 2, 4, [0, 9]);
        WriteImages("t10k", 1, 4, [3]);

        (ImageSet training, ImageSet test) = ImageSet.Read(_folder.Path, 2);

        (training.Count, training.Length, training.PatchPixels).Should().Be((2, 4, 4));
        test.Labels([0]).Should().Equal(3);
        training.Labels([1, 0]).Should().Equal(9, 0);

        // Both images together hold the pixels 0 to 31.
        float deviation = MathF.Sqrt(((32 * 32) - 1) / 12f);
        int[] order = [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15];
        float[] expected = Array.ConvertAll(order, pixel => (pixel + 16 - 15.5f) / deviation);
        training.Patches([1]).ShouldBeClose(expected, 1e-12);
    }

    [Fact]
    public void Every_epoch_has_an_order_of_its_own_that_is_the_same_each_time()
    {
        WriteImages("train", 15, 4, new byte[15]);
        WriteImages("t10k", 1, 4, [3]);
        ImageSet images = ImageSet.Read(_folder.Path, 4).Training;

        int[] order = images.Order(1, 2);

        order.Should().BeEquivalentTo(Enumerable.Range(0, 15)).And.NotBeInAscendingOrder();
        images.Order(1, 2).Should().Equal(order);
        images.Order(1, 3).Should().NotEqual(order);
        images.Order(2, 2).Should().NotEqual(order);
    }

    [Fact]
    public void A_folder_without_the_files_is_refused_with_the_names_that_were_looked_for()
    {
        Action read = () => ImageSet.Read(_folder.Path, 4);

        read.Should().Throw<FileNotFoundException>().WithMessage(
            $"*train-images-idx3-ubyte and train-images-idx3-ubyte.gz in \"{_folder.Path}\"*dataset-fashion-mnist*");
    }

    [Fact]
    public void Images_and_labels_of_different_numbers_are_refused()
    {
        WriteImages("train", 2, 4, [1, 2, 3]);

        Action read = () => ImageSet.Read(_folder.Path, 4);

        read.Should().Throw<InvalidDataException>().WithMessage("*3 square images*[2, 4, 4]*");
    }

    [Fact]
    public void A_label_that_is_no_class_is_refused()
    {
        WriteImages("train", 2, 4, [1, 10]);

        Action read = () => ImageSet.Read(_folder.Path, 4);

        read.Should().Throw<InvalidDataException>().WithMessage("*below 10*found 10*");
    }

    [Theory]
    [InlineData(8, 4)]
    [InlineData(4, 3)]
    public void Images_that_cannot_be_cut_alike_are_refused(int testSide, int patch)
    {
        WriteImages("train", 1, 4, [1]);
        WriteImages("t10k", 1, testSide, [1]);

        Action read = () => ImageSet.Read(_folder.Path, patch);

        read.Should().Throw<InvalidDataException>().WithMessage($"*multiple of {patch}*4 pixels*{testSide} for tests*");
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Writes images whose pixels count on from one to the next, and labels.</summary>
    private void WriteImages(string name, int count, int side, byte[] labels)
    {
        byte[] pixels = [.. Enumerable.Range(0, count * side * side).Select(i => (byte)i)];
        byte[] sizes = [.. Size(count), .. Size(side), .. Size(side)];
        _folder.Write($"{name}-images-idx3-ubyte", [0, 0, 8, 3, .. sizes, .. pixels]);
        _folder.Write($"{name}-labels-idx1-ubyte", [0, 0, 8, 1, .. Size(labels.Length), .. labels]);
    }

    private static byte[] Size(int size)
    {
        byte[] bytes = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(bytes, size);
        return bytes;
    }
}
