using Mamba.Autograd;
using Mamba.Models.Generation;
using Mamba.Operations;

namespace Mamba.Models.Data;

/// <summary>
/// Whole documents, shuffled in every epoch and packed into one row with a maximum number of tokens. Longer documents
/// are split. Segments keep packed documents independent of each other.
/// </summary>
/// <example>
/// <code>
/// using TokenCorpus corpus = TokenCorpus.Open("book.txt", new() { Separator = [10, 10] });
/// PackedBatches batches = new(corpus.Training, budget: 4096, seed: 1);
/// TokenBatch batch = batches[0];
/// DeviceArray loss = model.Loss(batch.Inputs, batch.Targets, batch.Rows, segments: batch.Segments);
/// </code>
/// </example>
public sealed class PackedBatches : ITokenBatches
{
    private readonly TokenSequence _stream;
    private readonly int _budget;
    private readonly ulong _seed;
    private readonly (long Start, int Length)[] _pieces;
    private readonly List<long> _firstBatches = [0];
    private readonly List<List<int>> _batches = [];
    private long _epoch = -1;

    /// <summary>Splits a stream's documents into pieces that fit into a batch.</summary>
    /// <param name="stream">The documents.</param>
    /// <param name="budget">The largest number of tokens of a batch, at least 2.</param>
    /// <param name="seed">Seed of the order.</param>
    /// <exception cref="InvalidDataException">No document has two tokens.</exception>
    public PackedBatches(TokenSequence stream, int budget, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfLessThan(budget, 2);
        (_stream, _budget, _seed) = (stream, budget, seed);
        _pieces = [.. Enumerable.Range(0, stream.DocumentCount).Select(stream.Document).SelectMany(Cut)];
        if (_pieces.Length == 0)
        {
            throw new InvalidDataException(
                $"Expected documents of at least two tokens; found {stream.DocumentCount} of {stream.Length} in all.");
        }
    }

    /// <inheritdoc/>
    public TokenBatch this[long number]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(number);
            List<int> pieces = PiecesOf(number);
            int[] lengths = [.. pieces.Select(piece => _pieces[piece].Length)];
            int[] inputs = new int[lengths.Sum()], targets = new int[inputs.Length];
            Array.Fill(targets, Functions.IgnoredTarget);
            int at = 0;
            foreach (int piece in pieces)
            {
                (long start, int length) = _pieces[piece];
                _stream.Read(start, inputs.AsSpan(at, length));
                inputs.AsSpan(at + 1, length - 1).CopyTo(targets.AsSpan(at));
                at += length;
            }

            return new(1, inputs, targets) { Segments = Segments.FromLengths(lengths) };
        }
    }

    /// <summary>Omits pieces of one token, which have nothing to predict.</summary>
    private IEnumerable<(long Start, int Length)> Cut((long Start, long Length) document)
    {
        for (long start = 0; start < document.Length - 1; start += _budget)
        {
            int length = (int)Math.Min(_budget, document.Length - start);
            if (length > 1)
            {
                yield return (document.Start + start, length);
            }
        }
    }

    /// <summary>The pieces of a batch. Its epoch depends on how the epochs before it were packed.</summary>
    private List<int> PiecesOf(long number)
    {
        while (_firstBatches[^1] <= number)
        {
            Pack(_firstBatches.Count - 1);
            _firstBatches.Add(_firstBatches[^1] + _batches.Count);
        }

        int found = _firstBatches.BinarySearch(number), epoch = found >= 0 ? found : ~found - 1;
        Pack(epoch);
        return _batches[(int)(number - _firstBatches[epoch])];
    }

    private void Pack(long epoch)
    {
        if (epoch == _epoch)
        {
            return;
        }

        _batches.Clear();
        int left = 0;
        foreach (int piece in new SplitMix64(SplitMix64.Mix(_seed, (ulong)epoch)).Permutation(_pieces.Length))
        {
            if (_pieces[piece].Length > left)
            {
                _batches.Add([]);
                left = _budget;
            }

            _batches[^1].Add(piece);
            left -= _pieces[piece].Length;
        }

        _epoch = epoch;
    }
}
