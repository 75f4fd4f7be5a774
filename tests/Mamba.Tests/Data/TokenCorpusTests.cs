using System.Text;
using Mamba.Models.Data;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Data;

public sealed class TokenCorpusTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public void Documents_end_with_the_separator()
    {
        using TokenCorpus corpus = Open("one\n\ntwo\n\n\nthree", new() { Separator = [10, 10] });

        string[] documents = [.. Enumerable.Range(0, corpus.Training.DocumentCount)
            .Select(i => Document(corpus.Training, i))];

        documents.Should().Equal("one\n\n", "two\n\n", "\nthree");
        corpus.Training.Length.Should().Be(16);
    }

    [Theory]
    [InlineData("one\n\n\n\ntwo", new[] { "one\n\n\n\n", "two" })]
    [InlineData("one\n\n\n\n\n\n\ntwo\n\n", new[] { "one\n\n\n\n\n\n", "\ntwo\n\n" })]
    [InlineData("\n\n\n\none\n\ntwo", new[] { "\n\n\n\none\n\n", "two" })]
    [InlineData("\n\n\n\n", new[] { "\n\n\n\n" })]
    [InlineData("one\n\n\n\n", new[] { "one\n\n\n\n" })]
    public void A_document_of_nothing_but_its_separator_belongs_to_the_one_before(string text, string[] expected)
    {
        using TokenCorpus corpus = Open(text, new() { Separator = [10, 10] });

        Documents(corpus.Training).Should().Equal(expected);
        string.Concat(expected).Should().Be(text);
    }

    [Fact]
    public void Separators_at_the_border_of_two_files_belong_to_their_files()
    {
        _folder.Write("a.txt", "a\n\n\n\n"u8.ToArray());
        _folder.Write("b.txt", "\n\n\n\nb"u8.ToArray());
        using TokenCorpus corpus = TokenCorpus.Open(_folder.Path, new() { Separator = [10, 10] }, Stop);

        Documents(corpus.Training).Should().Equal("a\n\n\n\n", "\n\n\n\nb");
    }

    [Fact]
    public void Many_small_files_take_memory_in_proportion_to_their_size()
    {
        const int Files = 300;
        for (int i = 0; i < Files; i++)
        {
            _folder.Write($"{i}.txt", "ab"u8.ToArray());
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        using TokenCorpus corpus = TokenCorpus.Open(_folder.Path, null, Stop);

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(4 << 20);
        corpus.Training.Length.Should().Be(2 * Files);
    }

    [Theory]
    [InlineData("\n", 0.0, 1)]
    [InlineData("\n", 0.5, 1)]
    [InlineData("a\n", 0.0, 25)]
    [InlineData("a\n", 0.5, 25)]
    public void A_text_of_separators_takes_memory_in_proportion_to_its_size(string piece, double heldOut, long most)
    {
        const int Size = 2_000_000;
        string path =
            _folder.Write("dense.txt",
            Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(piece, Size / piece.Length))));
        long before = GC.GetAllocatedBytesForCurrentThread();

        using TokenCorpus corpus = TokenCorpus.Open(path, new() { Separator = [10], HeldOut = heldOut }, Stop);

        // All that is ever allocated, in bytes of the file; at once it is less than half of it.
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(most * Size);
    }

    [Fact]
    public void Opening_can_be_cancelled()
    {
        string path = _folder.Write("text.txt", "abc"u8.ToArray());

        ((Action)(() => TokenCorpus.Open(path, null, new CancellationToken(canceled: true))))
            .Should().Throw<OperationCanceledException>();
    }

    [Fact]
    public void A_separator_is_found_behind_its_own_beginning()
    {
        using TokenCorpus corpus = Open("aaabx", new() { Separator = ['a', 'a', 'b'] });

        Document(corpus.Training, 0).Should().Be("aaab");
        Document(corpus.Training, 1).Should().Be("x");
    }

    [Fact]
    public void A_separator_is_found_across_the_pieces_that_are_read()
    {
        string text = new string('a', (1 << 16) - 1) + "\n\n" + new string('b', 5);
        using TokenCorpus corpus = Open(text, new() { Separator = [10, 10] });

        corpus.Training.DocumentCount.Should().Be(2);
        Document(corpus.Training, 1).Should().Be("bbbbb");
    }

    [Fact]
    public void Without_a_separator_every_file_of_a_folder_is_a_document()
    {
        _folder.Write("b.txt", "bb"u8.ToArray());
        _folder.Write("a.txt", "a"u8.ToArray());
        _folder.Write("c.bin", "c"u8.ToArray());
        using TokenCorpus corpus = TokenCorpus.Open(_folder.Path, null, Stop);

        Document(corpus.Training, 0).Should().Be("a");
        Document(corpus.Training, 1).Should().Be("bb");
        corpus.Training.DocumentCount.Should().Be(2);
    }

    [Theory]
    [InlineData(2, new byte[] { 1, 0, 0, 1 }, new[] { 1, 256 })]
    [InlineData(4, new byte[] { 1, 0, 0, 0, 0, 0, 1, 0 }, new[] { 1, 65536 })]
    public void Wider_tokens_are_little_endian(int bytes, byte[] content, int[] expected)
    {
        string path = _folder.Write("tokens.bin", content);
        using TokenCorpus corpus = TokenCorpus.Open(path, new() { TokenBytes = bytes, VocabularySize = 100_000 }, Stop);

        Tokens(corpus.Training, 0, 2).Should().Equal(expected);
    }

    [Fact]
    public void Reading_crosses_the_borders_of_documents()
    {
        using TokenCorpus corpus = Open("ab\ncd\nef", new() { Separator = [10] });

        for (int start = 0; start <= 8; start++)
        {
            for (int length = 0; length <= 8 - start; length++)
            {
                int[] expected = [.. "ab\ncd\nef".Substring(start, length).Select(c => (int)c)];
                Tokens(corpus.Training, start, length).Should().Equal(expected);
            }
        }

        corpus.Training.Invoking(tokens => tokens.Read(7, new int[2])).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public void Held_out_documents_are_stable_and_no_longer_trained_on()
    {
        string text = string.Concat(Enumerable.Range(0, 400).Select(i => $"{i}\n"));
        CorpusOptions options = new() { Separator = [10], HeldOut = 0.25, Seed = 3 };
        using TokenCorpus first = Open(text, options), second = Open(text, options);
        using TokenCorpus other = Open(text, options with { Seed = 4 });

        string[] heldOut = Documents(first.HeldOut);

        heldOut.Should().Equal(Documents(second.HeldOut)).And.NotEqual(Documents(other.HeldOut));
        heldOut.Concat(Documents(first.Training))
            .Should().BeEquivalentTo(Enumerable.Range(0, 400).Select(i => $"{i}\n"));
        heldOut.Length.Should().BeInRange(70, 130);
    }

    [Fact]
    public void Of_a_single_document_the_end_is_held_out()
    {
        using TokenCorpus corpus = Open("abcdefghij", new() { HeldOut = 0.3 });

        Document(corpus.Training, 0).Should().Be("abcdefg");
        Document(corpus.HeldOut, 0).Should().Be("hij");
    }

    [Fact]
    public void A_token_beyond_the_vocabulary_is_named_with_its_place()
    {
        this.Invoking(test => test.Open("abz", new() { VocabularySize = 'c' + 1 }))
            .Should().Throw<InvalidDataException>()
            .WithMessage("*text.txt: token 2 is 122; expected 0 to 99.");
    }

    [Fact]
    public void What_cannot_be_read_is_refused()
    {
        string empty = _folder.Write("empty.txt", []), odd = _folder.Write("odd.bin", [1, 2, 3]);
        string none = Directory.CreateDirectory(_folder["none"]).FullName;

        ((Action)(() => TokenCorpus.Open(empty))).Should().Throw<InvalidDataException>().WithMessage("*empty file*");
        ((Action)(() => TokenCorpus.Open(odd, new() { TokenBytes = 2 }))).Should().Throw<InvalidDataException>()
            .WithMessage("*expected tokens of 2 bytes; found 3 bytes.");
        ((Action)(() => TokenCorpus.Open(none))).Should().Throw<FileNotFoundException>().WithMessage("*found none*");
        ((Action)(() => TokenCorpus.Open(_folder["missing.txt"]))).Should().Throw<FileNotFoundException>();
        ((Action)(() => TokenCorpus.Open(odd, new() { HeldOut = 1 }))).Should().Throw<ArgumentOutOfRangeException>();
    }

    public void Dispose() => _folder.Dispose();

    private static int[] Tokens(TokenSequence sequence, long start, int length)
    {
        int[] tokens = new int[length];
        sequence.Read(start, tokens);
        return tokens;
    }

    private static string Document(TokenSequence sequence, int index)
    {
        (long start, long length) = sequence.Document(index);
        return string.Concat(Tokens(sequence, start, (int)length).Select(token => (char)token));
    }

    private static string[] Documents(TokenSequence sequence) =>
        [.. Enumerable.Range(0, sequence.DocumentCount).Select(i => Document(sequence, i))];

    private TokenCorpus Open(string text, CorpusOptions options) =>
        TokenCorpus.Open(_folder.Write("text.txt", Encoding.ASCII.GetBytes(text)), options);
}
