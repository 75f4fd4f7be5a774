using Mamba.Models.Generation;

namespace Mamba.Tasks.Induction;

/// <summary>
/// A sequence of random tokens in which one, the trigger, is followed by the same value each time; it ends with the
/// trigger. It is read in pieces, so that it may be of any length.
/// </summary>
internal sealed class InductionSequence
{
    private readonly int _trigger;
    private readonly int[] _triggerPositions;
    private SplitMix64 _random;
    private long _position;
    private int _seen;

    /// <summary>Begins a sequence.</summary>
    /// <param name="random">Its random source.</param>
    /// <param name="length">Its tokens.</param>
    /// <param name="vocabulary">Number of tokens, the trigger, which is the last, included.</param>
    /// <param name="triggers">How often the trigger occurs, two times or more; once at the end.</param>
    public InductionSequence(SplitMix64 random, int length, int vocabulary, int triggers)
    {
        _trigger = vocabulary - 1;
        int before = triggers - 1;

        // Each takes two places, for itself and its value: places for one, spread out again afterwards.
        int[] positions = random.Sorted(length - 1 - before, before);
        _triggerPositions = [.. positions.Select((position, i) => position + i), length - 1];
        Value = random.NextBelow(_trigger);
        _random = random;
    }

    /// <summary>What follows the trigger.</summary>
    public int Value { get; }

    /// <summary>Where the trigger stands, ascending.</summary>
    public IReadOnlyList<int> TriggerPositions => _triggerPositions;

    /// <summary>Writes the next tokens.</summary>
    public void Read(Span<int> tokens)
    {
        foreach (ref int token in tokens)
        {
            if (_seen < _triggerPositions.Length && _position == _triggerPositions[_seen])
            {
                token = _trigger;
                _seen++;
            }
            else if (_seen > 0 && _position == _triggerPositions[_seen - 1] + 1)
            {
                token = Value;
            }
            else
            {
                token = _random.NextBelow(_trigger);
            }

            _position++;
        }
    }
}
