using System.Buffers.Binary;
using System.IO.Compression;
using CsCheck;
using Mamba.Checkpoints;
using Mamba.Models.Checkpoints;
using static Mamba.Tests.Checkpoints.SafetensorsBytes;

namespace Mamba.Tests.Checkpoints;

public sealed class TorchHostileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Old_formats_are_refused_with_a_word_on_how_to_convert()
    {
        ShouldBeRefused([0x80, 2, 0x8a, 10, 0x6c, 0xfc], "*bare pickle*torch.save(torch.load(*", "before 1.6");
        ShouldBeRefused([1, 2, 3], "*another format*torch.save(torch.load(*", "no checkpoint");
    }

    [Theory]
    [InlineData("archive/data/0")]
    [InlineData("data.pkl")]
    [InlineData("a/b/data.pkl")]
    public void An_archive_without_a_pickle_in_its_folder_is_refused(string name) =>
        ShouldBeRefused(TorchArchive.Zip(new() { [name] = [1] }), "*one data.pkl*found 0*", name);

    [Fact]
    public void An_archive_of_two_pickles_is_refused() => ShouldBeRefused(
        TorchArchive.Zip(new() { ["a/data.pkl"] = [1], ["b/data.pkl"] = [1] }), "*one data.pkl*found 2*", "two");

    [Fact]
    public void Big_endian_numbers_are_refused() => ShouldBeRefused(
        TorchArchive.Zip(new() { ["a/data.pkl"] = [1], ["a/byteorder"] = "big"u8.ToArray() }),
        "*little-endian*",
        "byte order");

    [Fact]
    public void A_pickle_above_the_limit_is_refused_before_it_is_inflated()
    {
        byte[] archive = TorchArchive.Make(new byte[(1 << 20) + 1], [], compression: CompressionLevel.Fastest);

        ShouldBeRefused(archive, "*data.pkl*at most 1048576*found 1048577*", "long pickle");
    }

    [Fact]
    public void An_archive_cut_short_anywhere_is_refused()
    {
        byte[] archive = Valid(CompressionLevel.NoCompression);

        for (int length = 0; length < archive.Length; length += 7)
        {
            ShouldBeRefused(archive[..length], "*", $"cut to {length}");
        }
    }

    [Theory]
    [InlineData(20, 0xFFFF_FFFE, "*")] // a stored length of 4 GB
    [InlineData(24, 0xFFFF_FFFE, "*its 24 bytes can hold*4294967294*")] // a length of 4 GB
    [InlineData(24, 0xFFFF_FFFF, "*64-bit sizes*none*")]
    [InlineData(24, 23, "*its 24 bytes can hold*23*")]
    [InlineData(42, 0xFFFF_FFF0, "*before byte*4294967280*")] // a place behind the file
    [InlineData(42, 1, "*a header of*at byte 1*")]
    [InlineData(42, 0, "*a header of*at byte 0*")] // the pickle's place
    [InlineData(8, 1, "*not encrypted*")]
    [InlineData(10, 12, "*stored or deflated*")]
    public void A_directory_that_lies_about_a_storage_is_refused(int field, uint value, string message)
    {
        byte[] archive = Valid(CompressionLevel.NoCompression);
        int record = archive.AsSpan().LastIndexOf("archive/data/0"u8) - 46;
        Span<byte> at = archive.AsSpan(record + field);
        if (field is 8 or 10)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(at, (ushort)value);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(at, value);
        }

        ShouldBeRefused(archive, message, $"field {field}");
    }

    [Theory]
    [InlineData(10, 9, "*9 entries*found 3*")]
    [InlineData(10, 0xFFFF, "*zip64*")]
    [InlineData(12, 0xFFFF, "*directory within*")]
    [InlineData(14, 0x7FFF, "*directory within*")]
    [InlineData(16, 0, "*entry of the directory*")]
    public void An_end_record_that_lies_is_refused(int field, ushort value, string message)
    {
        byte[] archive = Valid(CompressionLevel.NoCompression);
        BinaryPrimitives.WriteUInt16LittleEndian(archive.AsSpan(archive.Length - 22 + field), value);

        ShouldBeRefused(archive, message, $"field {field}");
    }

    [Theory]
    [InlineData(-22 - 20 + 8, "*zip64*none*")] // where the 64-bit record is said to be
    [InlineData(-22 - 20 - 56 + 32, "*entries*found 2*")]
    [InlineData(-22 - 20 - 56 + 40, "*directory within*")]
    [InlineData(-22 - 20 - 56 + 48, "*directory within*")]
    public void A_64_bit_record_that_lies_is_refused(int place, string message)
    {
        byte[] archive = TorchArchive.Zip64(new() { ["a/data.pkl"] = [1], ["a/data/0"] = new byte[24] });
        BinaryPrimitives.WriteUInt64LittleEndian(archive.AsSpan(archive.Length + place), ulong.MaxValue - 3);

        ShouldBeRefused(archive, message, $"{place}");
    }

    [Fact]
    public void Entries_that_share_their_bytes_are_refused()
    {
        byte[] archive = TorchArchive.Zip(
            new() { ["a/data.pkl"] = [1], ["a/data/0"] = new byte[24], ["a/data/1"] = new byte[24] });
        Span<byte> first = archive.AsSpan(archive.AsSpan().LastIndexOf("a/data/0"u8) - 46);
        BinaryPrimitives.WriteInt32LittleEndian(first[20..], 25);
        BinaryPrimitives.WriteInt32LittleEndian(first[24..], 25);

        ShouldBeRefused(archive, "*\"a/data/1\" at or after byte*an overlap from byte*", "overlap");
    }

    [Fact]
    public void Two_entries_of_one_name_are_refused()
    {
        byte[] archive = TorchArchive.Zip(new() { ["a/data.pkl"] = [1], ["a/data/0"] = [1], ["a/data/1"] = [2] });
        archive[archive.AsSpan().IndexOf("a/data/1"u8) + 7] = (byte)'0';
        archive[archive.AsSpan().LastIndexOf("a/data/1"u8) + 7] = (byte)'0';

        ShouldBeRefused(archive, "*one entry \"a/data/0\"*two*", "names");
    }

    [Theory]
    [InlineData(-1, "*bytes in \"archive/data.pkl\"; found more*")]
    [InlineData(1, "*bytes in \"archive/data.pkl\"; found *")]
    [InlineData(1 << 19, "*bytes in \"archive/data.pkl\"; found *")]
    public void A_compressed_pickle_of_another_length_is_refused(int difference, string message)
    {
        byte[] archive = Valid(CompressionLevel.Optimal);
        Span<byte> length = archive.AsSpan(archive.AsSpan().LastIndexOf("archive/data.pkl"u8) - 46 + 24);
        BinaryPrimitives.WriteInt32LittleEndian(length, BinaryPrimitives.ReadInt32LittleEndian(length) + difference);

        ShouldBeRefused(archive, message, $"{difference}");
    }

    [Theory]
    [InlineData(24)]
    [InlineData(64 << 20)] // from 64 KB, which must not become 64 MB
    public void A_compressed_storage_is_refused_unread(int length)
    {
        byte[] archive = TorchArchive.Zip(
            new()
            {
                ["a/data.pkl"] = new PickleBuilder().Begin()
                    .Text("x").Tensor(p => p.Storage("FloatStorage", "0", length / 4), 0, [length / 4], [1]).End(),
                ["a/data/0"] = new byte[length],
            },
            _ => CompressionLevel.Fastest);
        long before = GC.GetAllocatedBytesForCurrentThread();

        ShouldBeRefused(
            archive, "*the storage \"a/data/0\" as it is*found it compressed*without compression*", $"{length}");

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(4 << 20);
    }

    [Fact]
    public void A_local_header_of_another_name_is_refused()
    {
        byte[] archive = Valid(CompressionLevel.NoCompression);
        archive[archive.AsSpan().IndexOf("archive/data/0"u8)] = (byte)'b';

        ShouldBeRefused(archive, "*a header of \"archive/data/0\"*another*", "name");
    }

    [Fact]
    public void Tensors_that_share_one_storage_beyond_eight_times_the_file_are_refused()
    {
        PickleBuilder pickle = new PickleBuilder().Begin();
        for (int i = 0; i < 50; i++)
        {
            pickle.Text($"layer {i}").Tensor(p => p.Storage("FloatStorage", "0", 25_000), 0, [25_000], [1]);
        }

        byte[] archive = TorchArchive.Make(pickle.End(), new() { ["0"] = new byte[100_000] });

        ShouldBeRefused(archive, "*at most 8 times the file's * bytes; found 5000000*share*", "shared");
    }

    [Fact]
    public void A_directory_of_more_than_four_megabytes_is_refused()
    {
        Dictionary<string, byte[]> files = Enumerable.Range(0, 100).ToDictionary(
            i => $"a/data/{i}{new string('x', 45_000)}", _ => Array.Empty<byte>());

        ShouldBeRefused(TorchArchive.Zip(files), "*directory of at most 4194304 bytes*", "directory");
    }

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Optimal)]
    public void Any_damage_gives_a_file_that_is_read_or_refused_and_nothing_else(CompressionLevel compression)
    {
        byte[] whole = Valid(compression);

        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte).Array[1, 4].Sample(
            damages =>
            {
                byte[] damaged = [.. whole];
                foreach ((int at, byte value) in damages)
                {
                    damaged[at] = value;
                }

                string path = _folder.Write($"{Guid.NewGuid()}.bin", damaged);
                try
                {
                    using TorchFile file = TorchFile.Open(path);
                    foreach (TensorInfo info in file.Tensors.Values.Where(info => info.Type.IsFloat()))
                    {
                        file.Read(info.Name, new float[info.Count]);
                    }
                }
                catch (InvalidDataException e)
                {
                    e.Message.Should().Contain(path);
                }
            },
            iter: 500,
            seed: "0000000000001");
    }

    /// <summary>An archive of one tensor [6].</summary>
    private static byte[] Valid(CompressionLevel compression)
    {
        byte[] pickle = new PickleBuilder().Begin()
            .Text("x").Tensor(p => p.Storage("FloatStorage", "0", 6), 0, [2, 3], [3, 1]).End();
        return TorchArchive.Make(pickle, new() { ["0"] = Bytes(1f, 2, 3, 4, 5, 6) }, compression: compression);
    }

    private void ShouldBeRefused(byte[] content, string message, string because)
    {
        string path = _folder.Write("hostile.bin", content);

        Action open = () => TorchFile.Open(path);

        open.Should().Throw<InvalidDataException>(because).WithMessage(message, because).WithMessage("*hostile.bin*");
        using FileStream free = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None); // nobody holds it open
    }
}
