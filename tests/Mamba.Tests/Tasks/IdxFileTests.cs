using System.IO.Compression;
using Mamba.Tasks.Pixels;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Tasks;

public sealed class IdxFileTests : IDisposable
{
    private static readonly byte[] Good = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<byte[], string> Lies => new()
    {
        { [], "*goes on for 12 bytes*only 0*" },
        { Good[..11], "*goes on for 12 bytes*only 11*" },
        { Good[..17], "*goes on for 6 bytes*only 5*" },
        { [.. Good, 7], "*ends after 18 bytes*more*" },
        { Changed(0, 1), "*begins with 00000802*01000802*" },
        { Changed(2, 9), "*begins with 00000802*00000902*" },
        { Changed(3, 1), "*begins with 00000802*00000801*" },
        { Changed(4, 0x80), "*sizes of 1 to 18*-2147483646*" },
        { Changed(7, 0), "*sizes of 1 to 18*0*" },
        { Changed(4, 0x7f), "*sizes of 1 to 18*2130706434*" },
        { Changed(11, 10), "*at most 18 elements*20*" },
    };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_file_is_read_plain_and_compressed(bool isCompressed)
    {
        IdxFile file = IdxFile.Read(Write(Good, isCompressed), 2);

        file.Sizes.Should().Equal(2, 3);
        file.Data.Should().Equal(1, 2, 3, 4, 5, 6);
    }

    [Theory]
    [MemberData(nameof(Lies))]
    public void A_file_that_lies_is_refused_with_what_was_found(byte[] bytes, string message)
    {
        string path = Write(bytes, isCompressed: false);

        Action read = () => IdxFile.Read(path, 2);

        read.Should().Throw<InvalidDataException>().WithMessage(message).WithMessage($"{path}*");
    }

    [Fact]
    public void A_compressed_file_cannot_claim_more_than_deflate_can_make()
    {
        string path = Write(Changed(4, 0x7f), isCompressed: true);

        Action read = () => IdxFile.Read(path, 2);

        read.Should().Throw<InvalidDataException>().WithMessage($"*{1032 * new FileInfo(path).Length}*2130706434*");
    }

    [Fact]
    public void A_file_that_is_not_compressed_is_refused_under_a_name_that_says_so()
    {
        string path = _folder.Write("plain.gz", Good);

        Action read = () => IdxFile.Read(path, 2);

        read.Should().Throw<InvalidDataException>();
    }

    public void Dispose() => _folder.Dispose();

    private string Write(byte[] bytes, bool isCompressed)
    {
        if (!isCompressed)
        {
            return _folder.Write("plain", bytes);
        }

        using MemoryStream stream = new();
        using (GZipStream gzip = new(stream, CompressionMode.Compress))
        {
            gzip.Write(bytes);
        }

        return _folder.Write("compressed.gz", stream.ToArray());
    }

    private static byte[] Changed(int position, byte value)
    {
        byte[] bytes = [.. Good];
        bytes[position] = value;
        return bytes;
    }
}
