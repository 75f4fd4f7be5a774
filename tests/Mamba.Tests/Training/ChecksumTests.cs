using System.Diagnostics;
using System.Security.Cryptography;
using Mamba.Models.Training;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Training;

public sealed class ChecksumTests : IDisposable
{
    private static readonly string Zeros = new('0', 64);

    private readonly TemporaryFolder _folder = new(inMemory: true);

    public ChecksumTests()
    {
        _folder.Write("a.bin", [1, 2, 3]);
        _folder.Write("b.bin", []);
        Checksums.Write(_folder.Path);
    }

    [Fact]
    public void A_list_has_the_form_of_sha256sum()
    {
        string sum = Convert.ToHexStringLower(SHA256.HashData([1, 2, 3])),
            none = Convert.ToHexStringLower(SHA256.HashData([]));

        File.ReadAllText(_folder["SHA256SUMS"]).Should().Be($"{sum}  a.bin\n{none}  b.bin\n");
        this.Invoking(test => test.Verify("a.bin")).Should().NotThrow();
    }

    [Theory]
    [InlineData("/dev/zero")]
    [InlineData("../a.bin")]
    [InlineData("x/../a.bin")]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("")]
    [InlineData("c:a.bin")]
    [InlineData("x\\a.bin")]
    [InlineData("a.bin")]
    public void A_list_names_each_file_of_its_folder_once_and_no_other(string name)
    {
        File.AppendAllText(_folder["SHA256SUMS"], $"{Zeros}  {name}\n");

        this.Invoking(test => test.Verify("a.bin")).Should().Throw<InvalidDataException>()
            .WithMessage("*SHA256SUMS: line 3: expected a SHA-256, two spaces, and the name of a file in this folder*");
    }

    [Theory]
    [InlineData("00  c.bin")]
    [InlineData("c.bin")]
    public void A_line_without_a_checksum_is_refused(string line)
    {
        File.AppendAllText(_folder["SHA256SUMS"], line + "\n");

        this.Invoking(test => test.Verify("a.bin")).Should().Throw<InvalidDataException>().WithMessage("*line 3*");
    }

    [Fact]
    public void A_list_that_leaves_out_a_file_that_is_needed_is_refused()
    {
        File.WriteAllText(_folder["SHA256SUMS"], File.ReadLines(_folder["SHA256SUMS"]).Last() + "\n");

        this.Invoking(test => test.Verify("a.bin")).Should().Throw<InvalidDataException>()
            .WithMessage("*expected a.bin in SHA256SUMS and in the folder; it is missing or empty.");
    }

    [Fact]
    public void A_file_that_is_needed_must_not_be_empty() =>
        this.Invoking(test => test.Verify("b.bin")).Should().Throw<InvalidDataException>()
            .WithMessage("*b.bin*missing or empty.");

    [Theory]
    [InlineData(0)]
    [InlineData((1 << 20) + 1)]
    public void A_list_of_another_size_is_refused_unread(int length)
    {
        _folder.Write("SHA256SUMS", new byte[length]);

        this.Invoking(test => test.Verify("a.bin")).Should().Throw<InvalidDataException>()
            .WithMessage("*expected a list of 1 to*");
    }

    [Fact]
    public void A_link_is_not_followed()
    {
        File.Delete(_folder["a.bin"]);
        File.CreateSymbolicLink(_folder["a.bin"], _folder.Write("c.bin", [1, 2, 3]));

        this.Invoking(test => test.Verify("a.bin")).Should().Throw<InvalidDataException>();
    }

    [Fact]
    public async Task A_pipe_is_not_opened()
    {
        File.Delete(_folder["b.bin"]);
        using (Process make = Process.Start("mkfifo", [_folder["b.bin"]]))
        {
            await make.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        Task verify =
            Task.Run(() => Verify("a.bin"), TestContext.Current.CancellationToken); // opening a pipe waits for a writer

        await verify.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
    }

    [Fact]
    public void A_check_can_be_cancelled() =>
        ((Action)(() => Checksums.Verify(_folder.Path, ["a.bin"], new CancellationToken(canceled: true))))
            .Should().Throw<OperationCanceledException>();

    public void Dispose() => _folder.Dispose();

    private void Verify(string required) =>
        Checksums.Verify(_folder.Path, [required], TestContext.Current.CancellationToken);
}
