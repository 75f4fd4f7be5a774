namespace Mamba.Models.Data;

/// <summary>
/// The stream in order, for truncated back-propagation through time with a carried state. Every row reads its own
/// stripe piece by piece, and restarts it after its end.
/// </summary>
/// <example>
/// <code>
/// using TokenCorpus corpus = TokenCorpus.Open("book.txt");
/// StreamBatches batches = new(corpus.Training, rows: 8, length: 256);
/// using ModelState state = model.CreateState(batch: 8);
/// DeviceArray loss = model.Loss(batches[0].Inputs, batches[0].Targets, 8, state);
/// state.Detach();
/// </code>
/// </example>
public sealed class StreamBatches : ITokenBatches
{
    private readonly TokenSequence _stream;
    private readonly int _rows;
    private readonly int _length;
    private readonly long _stripe;

    /// <summary>Divides a stream into stripes.</summary>
    /// <param name="stream">The tokens.</param>
    /// <param name="rows">Number of stripes, which are the rows of a batch.</param>
    /// <param name="length">Tokens of a piece.</param>
    /// <exception cref="InvalidDataException">The stream is too short for one batch.</exception>
    public StreamBatches(TokenSequence stream, int rows, int length)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        (_stream, _rows, _length, _stripe) = (stream, rows, length, Math.Max(stream.Length - 1, 0) / rows);
        if (_stripe < length)
        {
            throw new InvalidDataException(
                $"The data are too short: {rows} stripes of {length} tokens need {((long)rows * length) + 1}; " +
                $"found {stream.Length}.");
        }
    }

    /// <summary>Batches of an epoch.</summary>
    public long BatchesPerEpoch => _stripe / _length;

    /// <inheritdoc/>
    public TokenBatch this[long number]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(number);
            long piece = number % BatchesPerEpoch;
            int[] inputs = new int[_rows * _length], targets = new int[inputs.Length];
            for (int row = 0; row < _rows; row++)
            {
                long start = (row * _stripe) + (piece * _length);
                _stream.Read(start, inputs.AsSpan(row * _length, _length));
                _stream.Read(start + 1, targets.AsSpan(row * _length, _length));
            }

            return new(_rows, inputs, targets) { Begins = piece == 0 };
        }
    }
}
