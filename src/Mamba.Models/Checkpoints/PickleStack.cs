namespace Mamba.Models.Checkpoints;

/// <summary>The state of the pickle machine: a stack, marks on it, and a memo of values for reuse.</summary>
internal sealed class PickleStack
{
    private readonly List<object?> _values = [];
    private readonly List<int> _marks = [];
    private readonly List<object?> _memo = [];

    /// <summary>The next index of the memo.</summary>
    public uint MemoCount => (uint)_memo.Count;

    /// <summary>Number of values above the last mark; those below cannot be popped.</summary>
    private int Reach => _values.Count - (_marks.Count > 0 ? _marks[^1] : 0);

    public void Push(object? value) => _values.Add(value);

    public void PushMark() => _marks.Add(_values.Count);

    public object? Pop()
    {
        object? value = Peek();
        _values.RemoveAt(_values.Count - 1);
        return value;
    }

    /// <summary>Pops the only value, which is the result of a pickle.</summary>
    public object? PopOnly()
    {
        object? value = Pop();
        return _values.Count == 0 && _marks.Count == 0
            ? value
            : throw new InvalidDataException(
                $"expected one value on the stack and no mark; found {_values.Count + 1} and {_marks.Count}.");
    }

    /// <summary>Pops the last values, in the order in which they were pushed.</summary>
    public object?[] Pop(int count)
    {
        if (Reach < count)
        {
            throw new InvalidDataException($"expected {count} values on the stack; found {Reach}.");
        }

        object?[] values = new object?[count];
        _values.CopyTo(_values.Count - count, values, 0, count);
        _values.RemoveRange(_values.Count - count, count);
        return values;
    }

    /// <summary>Pops the last mark and all values above it.</summary>
    public object?[] PopToMark()
    {
        if (_marks.Count == 0)
        {
            throw new InvalidDataException("expected a mark on the stack; found none.");
        }

        object?[] values = Pop(Reach);
        _marks.RemoveAt(_marks.Count - 1);
        return values;
    }

    public object? Peek() =>
        Reach > 0 ? _values[^1] : throw new InvalidDataException("expected a value on the stack; found none.");

    /// <summary>The last value, which stays on the stack.</summary>
    public T Peek<T>(string expected)
        where T : class =>
        Peek() as T ?? throw new InvalidDataException($"expected {expected}; found {Pickle.Describe(Peek())}.");

    /// <summary>
    /// Adds the last value to the memo. Python numbers the memo consecutively from 0. A gap is rejected: else a few
    /// bytes could allocate a long memo.
    /// </summary>
    public void Memoize(uint index)
    {
        if (index > MemoCount)
        {
            throw new InvalidDataException($"expected a memo index up to {MemoCount}; found {index}.");
        }

        if (index == MemoCount)
        {
            _memo.Add(Peek());
        }
        else
        {
            _memo[(int)index] = Peek();
        }
    }

    public void Recall(uint index) => Push(index < MemoCount
        ? _memo[(int)index]
        : throw new InvalidDataException($"expected a memo index below {MemoCount}; found {index}."));
}
