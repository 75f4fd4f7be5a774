using CsCheck;
using Mamba.Autograd;
using Mamba.Models.Data;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Data;

public sealed class TokenBatchTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public void Every_window_comes_once_an_epoch() => Gen.Select(Gen.Int[1, 4], Gen.Int[1, 7], Gen.Int[60, 200]).Sample(
        (rows, length, size) =>
        {
            using TokenCorpus corpus = Numbered(size);
            WindowBatches batches = new(corpus.Training, rows, length, 5);
            for (int epoch = 0; epoch < 2; epoch++)
            {
                List<int> starts = [];
                for (int i = 0; i < batches.BatchesPerEpoch; i++)
                {
                    TokenBatch batch = batches[(epoch * batches.BatchesPerEpoch) + i];
                    batch.Targets.Should().Equal(batch.Inputs.Select(token => token + 1));
                    starts.AddRange(batch.Inputs.Chunk(length).Select(row => row[0]));
                }

                starts.Should().OnlyHaveUniqueItems();
                starts.Select(start => start % length).Distinct().Should().ContainSingle();
                starts.Count.Should().BeGreaterThan(((size - length) / length) - rows);
            }
        },
        iter: 50);

    [Fact]
    public void A_batch_is_a_function_of_its_number_and_the_seed()
    {
        using TokenCorpus corpus = Numbered(200);
        WindowBatches batches = new(corpus.Training, 2, 5, 1), again = new(corpus.Training, 2, 5, 1);
        WindowBatches other = new(corpus.Training, 2, 5, 2);
        int[] numbers = [.. Enumerable.Range(0, 60)];

        int[][] forwards = [.. numbers.Select(number => batches[number].Inputs)];
        int[][] backwards = [.. numbers.Reverse().Select(number => again[number].Inputs).Reverse()];

        forwards.Should().BeEquivalentTo(backwards, options => options.WithStrictOrdering());
        numbers.Should().Contain(number => !other[number].Inputs.SequenceEqual(forwards[number]));
        forwards[0].Should().NotEqual(forwards[batches.BatchesPerEpoch], "each epoch has an order of its own");
    }

    [Fact]
    public void Stripes_are_read_in_order_and_begun_anew()
    {
        using TokenCorpus corpus = Numbered(64);
        StreamBatches batches = new(corpus.Training, rows: 2, length: 10);

        batches.BatchesPerEpoch.Should().Be(3);
        for (int number = 0; number < 6; number++)
        {
            int start = number % 3 * 10;
            TokenBatch batch = batches[number];
            batch.Begins.Should().Be(number % 3 == 0);
            batch.Inputs.Should().Equal(Enumerable.Range(start, 10).Concat(Enumerable.Range(start + 31, 10)));
            batch.Targets.Should().Equal(batch.Inputs.Select(token => token + 1));
        }
    }

    [Fact]
    public void Packed_documents_come_whole_once_an_epoch_and_predict_only_themselves()
    {
        // Documents of 2, 3, ... tokens, each of one number.
        byte[] bytes = [.. Enumerable.Range(2, 11).SelectMany(n => Enumerable.Repeat((byte)n, n - 1).Append((byte)0))];
        using TokenCorpus corpus =
            TokenCorpus.Open(_folder.Write("packed.bin", bytes), new() { Separator = [0] }, Stop);
        PackedBatches batches = new(corpus.Training, budget: 9, seed: 2);
        Dictionary<int, int> seen = [];
        int number = 0;

        // The tenth token of the document of ten stands alone, and has nothing to predict.
        while (seen.Values.Sum() < bytes.Length - 1)
        {
            TokenBatch batch = batches[number++];
            batch.Inputs.Length.Should().BeLessThanOrEqualTo(9);
            ReadOnlySpan<int> offsets = batch.Segments!.Offsets;
            for (int i = 0; i < batch.Segments.Count; i++)
            {
                int[] inputs = batch.Inputs[offsets[i]..offsets[i + 1]],
                    targets = batch.Targets[offsets[i]..offsets[i + 1]];
                targets.Should().Equal(inputs.Skip(1).Append(Functions.IgnoredTarget));
                inputs.Where(token => token > 0).Distinct().Should().ContainSingle();
                seen[inputs[0]] = seen.GetValueOrDefault(inputs[0]) + inputs.Length;
            }
        }

        seen.Should().BeEquivalentTo(Enumerable.Range(2, 11).ToDictionary(n => n, n => n == 10 ? 9 : n));
        PackedBatches later = new(corpus.Training, budget: 9, seed: 2);
        later[3 * number].Inputs.Should().Equal(batches[3 * number].Inputs);
    }

    [Fact]
    public void Windows_take_no_memory_of_their_own()
    {
        using TokenCorpus corpus = Numbered(60_000);
        long before = GC.GetAllocatedBytesForCurrentThread();

        WindowBatches batches = new(corpus.Training, rows: 1, length: 1, seed: 1);
        for (int epoch = 0; epoch < 10; epoch++)
        {
            _ = batches[epoch * batches.BatchesPerEpoch];
        }

        (GC.GetAllocatedBytesForCurrentThread() - before)
            .Should().BeLessThan(10_000, "a list of 60,000 windows takes 240,000");
    }

    [Fact]
    public void A_permutation_has_every_number_once() => Gen.Select(Gen.Long[1, 3000], Gen.ULong).Sample((count, key) =>
    {
        Permutation order = new(count, key);
        HashSet<long> seen = [];
        for (long place = 0; place < count; place++)
        {
            long number = order[place];
            number.Should().BeInRange(0, count - 1);
            seen.Add(number).Should().BeTrue();
        }
    });

    [Fact]
    public void A_permutation_puts_every_number_everywhere()
    {
        const int Count = 10, Keys = 20_000;
        int[,] places = new int[Count, Count];
        for (int key = 0; key < Keys; key++)
        {
            Permutation order = new(Count, (ulong)key << 32);
            for (int place = 0; place < Count; place++)
            {
                places[place, order[place]]++;
            }
        }

        // 2000 of each are expected; five standard deviations of 42 allow for all 100.
        places.Cast<int>().Should().OnlyContain(count => count > 1780 && count < 2220);
    }

    [Fact]
    public void A_place_of_an_endless_permutation_is_found_at_once()
    {
        Permutation order = new(1L << 61, 3);

        HashSet<long> numbers = [.. Enumerable.Range(0, 1000).Select(place => order[place])];

        numbers.Should().HaveCount(1000).And.OnlyContain(number => number >= 0 && number < 1L << 61);
    }

    [Fact]
    public void Data_that_are_too_short_are_refused()
    {
        using TokenCorpus corpus = Numbered(20);

        ((Action)(() => _ = new WindowBatches(corpus.Training, 4, 5, 1))).Should().Throw<InvalidDataException>()
            .WithMessage("The data are too short: 4 windows of 5 tokens need 25; found 20.");
        ((Action)(() => _ = new StreamBatches(corpus.Training, 4, 5))).Should().Throw<InvalidDataException>()
            .WithMessage("The data are too short: 4 stripes of 5 tokens need 21; found 20.");
        ((Action)(() => _ = new PackedBatches(corpus.HeldOut, 4, 5))).Should().Throw<InvalidDataException>();
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>The numbers 0, 1, 2, ...</summary>
    private TokenCorpus Numbered(int count)
    {
        byte[] bytes = [.. Enumerable.Range(0, count).SelectMany(i => BitConverter.GetBytes((ushort)i))];
        return TokenCorpus.Open(
            _folder.Write($"{Guid.NewGuid():n}.bin", bytes),
                new() { TokenBytes = 2, VocabularySize = ushort.MaxValue });
    }
}
