namespace Mamba.Models.Checkpoints;

/// <summary>
/// Counts the memory of a pickle's values. The limit is 64 KB plus 32 bytes for each byte of the pickle; PyTorch's
/// pickles take 14. Without a limit, each <c>}</c>, which makes a dictionary, would take 88.
/// </summary>
/// <param name="length">Bytes of the pickle.</param>
internal sealed class PickleMemory(int length)
{
    private const long PerByte = 32, OfAny = 64 << 10;
    private const int Slot = 8; // bytes of a reference

    private readonly long _limit = OfAny + (PerByte * length);
    private long _taken;

    /// <summary>Counts references.</summary>
    /// <exception cref="InvalidDataException">The limit is exceeded.</exception>
    public void AddSlots(long count) => Take(Slot * count);

    /// <summary>Counts an object.</summary>
    /// <exception cref="InvalidDataException">The limit is exceeded.</exception>
    public void Add(object? value) => Take(value switch
    {
        null => 0,
        bool or long or double => 24,
        string text => 24 + (2 * text.Length),
        object?[] tuple => 24 + (Slot * tuple.Length),
        List<object?> => 32,
        Dictionary<string, object?> => 80,
        _ => 256, // a storage, or a tensor of a few axes
    });

    private void Take(long bytes)
    {
        _taken += bytes;
        if (_taken > _limit)
        {
            throw new InvalidDataException(
                $"expected values of at most {_limit} bytes, {PerByte} for each byte of the pickle; found more.");
        }
    }
}
