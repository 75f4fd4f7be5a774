using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>
/// The rows of a pool of states that a step reads and writes, one for each sequence of its batch. Conversations may
/// begin and end between steps, and the other states stay in place.
/// </summary>
/// <example>
/// <code>
/// using ModelState pool = model.CreateState(100), one = model.CreateState(); // room for 100 conversations
/// model.Prefill(prompt, one, output);
/// pool.CopySlot(7, one, 0);                                  // a conversation begins
/// model.Step([first, second], pool, output, StateSlots.Of(7, 42)); // two of them take a step
/// </code>
/// The same for operations:
/// <code>
/// DeviceArray pool = device.Zeros([100, states, channels]);                   // room for 100 conversations
/// DeviceArray y = Functions.SelectiveScanStep(inputs, pool, StateSlots.Of(7, 42)); // two of them take a step
/// </code>
/// </example>
public sealed class StateSlots
{
    private readonly int[] _rows; // those of a recorded step are set before each replay

    private StateSlots(int[] rows) => _rows = rows;

    /// <summary>Number of sequences.</summary>
    public int Count => _rows.Length;

    /// <summary>The row of each sequence.</summary>
    public ReadOnlySpan<int> Rows => _rows;

    /// <summary>
    /// The rows in device memory, from which the replay of a recorded step reads them; otherwise null.
    /// </summary>
    internal IndexArray? OnDevice { get; private set; }

    /// <summary>Selects rows of a pool.</summary>
    /// <param name="rows">The row of each sequence, from 0; no row twice.</param>
    /// <returns>The slots.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A row is negative.</exception>
    /// <exception cref="ArgumentException">A row is repeated: two sequences would overwrite one state.</exception>
    public static StateSlots Of(params ReadOnlySpan<int> rows)
    {
        HashSet<int> seen = new(rows.Length);
        foreach (int row in rows)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(row, nameof(rows));
            if (!seen.Add(row))
            {
                throw new ArgumentException($"Expected each row once; found row {row} twice.", nameof(rows));
            }
        }

        return new(rows.ToArray());
    }

    /// <summary>The slots of a recorded step, which are set before each replay.</summary>
    internal static StateSlots OfRecording(int count) => new(new int[count]);

    /// <summary>Sets the slots of a recorded step.</summary>
    internal void Set(ReadOnlySpan<int> rows, IndexArray onDevice)
    {
        rows.CopyTo(_rows);
        OnDevice = onDevice;
    }

    /// <summary>Throws unless there is one row per sequence, and all lie within the pool.</summary>
    internal void RequireFit(int sequences, int pool)
    {
        if (Count != sequences)
        {
            throw new ArgumentException($"Expected {sequences} slots, one for each sequence; found {Count}.");
        }

        foreach (int row in _rows)
        {
            if (row >= pool)
            {
                throw new ArgumentException($"Slot {row} lies outside a pool of {pool} states.");
            }
        }
    }
}
