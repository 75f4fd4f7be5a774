using Mamba.Models.Generation;

namespace Mamba.Models.Data;

/// <summary>
/// Windows of equal length, shuffled in every epoch. An epoch has every window once, except those that do not fill a
/// batch. The start of the first window also differs between epochs.
/// </summary>
/// <example>
/// <code>
/// using TokenCorpus corpus = TokenCorpus.Open("book.txt");
/// WindowBatches batches = new(corpus.Training, rows: 16, length: 256, seed: 1);
/// TokenBatch first = batches[0];
/// DeviceArray loss = model.Loss(first.Inputs, first.Targets, batch: 16);
/// </code>
/// </example>
public sealed class WindowBatches : ITokenBatches
{
    private readonly TokenSequence _stream;
    private readonly int _rows;
    private readonly int _length;
    private readonly ulong _seed;
    private readonly long _windows;

    /// <summary>Divides a stream into windows.</summary>
    /// <param name="stream">The tokens.</param>
    /// <param name="rows">Windows of a batch.</param>
    /// <param name="length">Tokens of a window.</param>
    /// <param name="seed">Seed of the order.</param>
    /// <exception cref="InvalidDataException">The stream is too short for one batch.</exception>
    public WindowBatches(TokenSequence stream, int rows, int length, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        (_stream, _rows, _length, _seed) = (stream, rows, length, seed);
        _windows = Math.Max((stream.Length - length) / length, 0); // one fewer: the first may start later
        if (_windows < rows)
        {
            throw new InvalidDataException(
                $"The data are too short: {rows} windows of {length} tokens need {(rows + 1L) * length}; found " +
                $"{stream.Length}.");
        }
    }

    /// <summary>Batches of an epoch.</summary>
    public long BatchesPerEpoch => _windows / _rows;

    /// <inheritdoc/>
    public TokenBatch this[long number]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(number);
            (long epoch, long place) = Math.DivRem(number, BatchesPerEpoch);
            SplitMix64 random = new(SplitMix64.Mix(_seed, (ulong)epoch));
            int phase = random.NextBelow(_length);
            Permutation order = new(_windows, random.Next());
            int[] inputs = new int[_rows * _length], targets = new int[inputs.Length], window = new int[_length + 1];
            for (int row = 0; row < _rows; row++)
            {
                _stream.Read(phase + (order[(place * _rows) + row] * _length), window);
                window.AsSpan(0, _length).CopyTo(inputs.AsSpan(row * _length));
                window.AsSpan(1).CopyTo(targets.AsSpan(row * _length));
            }

            return new(_rows, inputs, targets);
        }
    }
}
