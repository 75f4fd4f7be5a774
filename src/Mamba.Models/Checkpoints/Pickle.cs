namespace Mamba.Models.Checkpoints;

/// <summary>
/// Reads data from a Python pickle without executing code. It supports the opcodes for numbers, text, tuples, lists and
/// dictionaries, and only the names that an <see cref="IPickleAllowList"/> allows.
/// </summary>
/// <remarks>
/// Integers become long, floats double; a tuple becomes object?[], a list List&lt;object?&gt;, a dictionary
/// Dictionary&lt;string, object?&gt;. The stack of the pickle is on the heap, so nesting cannot overflow the
/// thread's, and memory is limited, see <see cref="PickleMemory"/>.
/// The format: <see href="https://github.com/python/cpython/blob/main/Lib/pickletools.py"/>.
/// </remarks>
internal sealed class Pickle
{
    private readonly PickleBytes _bytes;
    private readonly PickleStack _stack = new();
    private readonly IPickleAllowList _allowed;
    private readonly PickleMemory _memory;

    private Pickle(byte[] bytes, IPickleAllowList allowed) =>
        (_bytes, _allowed, _memory) = (new(bytes), allowed, new(bytes.Length));

    /// <summary>Reads the value of a pickle.</summary>
    /// <param name="bytes">The pickle.</param>
    /// <param name="allowed">The names that are allowed.</param>
    /// <param name="source">The origin of the pickle, for messages.</param>
    /// <exception cref="InvalidDataException">The pickle is damaged, or uses what is not allowed.</exception>
    public static object? Read(byte[] bytes, IPickleAllowList allowed, string source)
    {
        Pickle pickle = new(bytes, allowed);
        int start = 0;
        try
        {
            byte opcode;
            while ((opcode = pickle._bytes.U8()) != (byte)'.')
            {
                pickle._memory.AddSlots(1); // an opcode may grow the stack, the marks or the memo by one
                pickle.Execute(opcode);
                start = pickle._bytes.Position;
            }

            return pickle._stack.PopOnly();
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"{source}: pickle instruction at byte {start}: {e.Message}", e);
        }
    }

    /// <summary>The kind of a value, for messages.</summary>
    public static string Describe(object? value) => value switch
    {
        null => "None",
        string text => $"the text \"{Cut(text)}\"",
        bool truth => truth ? "True" : "False",
        long number => $"the integer {number}",
        double number => $"the float {number}",
        object?[] tuple => $"a tuple of {tuple.Length}",
        List<object?> => "a list",
        Dictionary<string, object?> => "a dictionary",
        _ => value.ToString()!,
    };

    private void Execute(byte opcode)
    {
        switch (opcode)
        {
            case 0x80: // PROTO
                _bytes.Protocol();
                break;
            case 0x95: // FRAME: number of bytes to read ahead
                _bytes.RequireLeft(_bytes.U64());
                break;
            case (byte)'N': // NONE
                Push(null);
                break;
            case 0x88: // NEWTRUE
                Push(true);
                break;
            case 0x89: // NEWFALSE
                Push(false);
                break;
            case (byte)'K': // BININT1
                Push((long)_bytes.U8());
                break;
            case (byte)'M': // BININT2
                Push((long)_bytes.U16());
                break;
            case (byte)'J': // BININT
                Push((long)_bytes.I32());
                break;
            case 0x8a: // LONG1
                Push(_bytes.Long());
                break;
            case (byte)'G': // BINFLOAT
                Push(_bytes.F64());
                break;
            case 0x8c: // SHORT_BINUNICODE
                Push(_bytes.Text(_bytes.U8()));
                break;
            case (byte)'X': // BINUNICODE
                Push(_bytes.Text(_bytes.U32()));
                break;
            case 0x8d: // BINUNICODE8
                Push(_bytes.Text(_bytes.U64()));
                break;
            default:
                ExecuteOnCollections(opcode);
                break;
        }
    }

    private void ExecuteOnCollections(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'(': // MARK
                _stack.PushMark();
                break;
            case (byte)')': // EMPTY_TUPLE
                Push(Array.Empty<object?>());
                break;
            case 0x85 or 0x86 or 0x87: // TUPLE1, TUPLE2, TUPLE3
                Push(_stack.Pop(opcode - 0x84));
                break;
            case (byte)'t': // TUPLE
                Push(_stack.PopToMark());
                break;
            case (byte)']': // EMPTY_LIST
                Push(new List<object?>());
                break;
            case (byte)'a': // APPEND
                Append(_stack.Pop(1));
                break;
            case (byte)'e': // APPENDS
                Append(_stack.PopToMark());
                break;
            case (byte)'}': // EMPTY_DICT
                Push(new Dictionary<string, object?>());
                break;
            case (byte)'s': // SETITEM
                SetItems(_stack.Pop(2));
                break;
            case (byte)'u': // SETITEMS
                SetItems(_stack.PopToMark());
                break;
            case (byte)'q': // BINPUT
                _stack.Memoize(_bytes.U8());
                break;
            case (byte)'r': // LONG_BINPUT
                _stack.Memoize(_bytes.U32());
                break;
            case 0x94: // MEMOIZE
                _stack.Memoize(_stack.MemoCount);
                break;
            case (byte)'h': // BINGET
                _stack.Recall(_bytes.U8());
                break;
            case (byte)'j': // LONG_BINGET
                _stack.Recall(_bytes.U32());
                break;
            default:
                ExecuteWithAllowList(opcode);
                break;
        }
    }

    private void ExecuteWithAllowList(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'c': // GLOBAL
                string module = _bytes.Line();
                PushGlobal(module, _bytes.Line());
                break;
            case 0x93: // STACK_GLOBAL
                object?[] names = _stack.Pop(2);
                PushGlobal(Text(names[0]), Text(names[1]));
                break;
            case (byte)'R': // REDUCE
                object?[] call = _stack.Pop(2);
                Call(call[0], call[1]);
                break;
            case (byte)'b': // BUILD: attributes, such as the module versions of a state_dict; ignored
                _stack.Pop();
                _stack.Peek<Dictionary<string, object?>>("a dictionary to give attributes to");
                break;
            case (byte)'Q': // BINPERSID
                object? id = _stack.Pop();
                Push(_allowed.Persistent(id) ?? throw new InvalidDataException(
                    $"expected the id of a storage; found {Describe(id)}."));
                break;
            default:
                throw new InvalidDataException(
                    $"expected an instruction for plain data; found opcode 0x{opcode:x2}" +
                    (opcode is > 0x20 and < 0x7f ? $" '{(char)opcode}'." : "."));
        }
    }

    private void Push(object? value)
    {
        _memory.Add(value);
        _stack.Push(value);
    }

    private void Append(object?[] items)
    {
        _memory.AddSlots(2 * items.Length); // a growing list has capacity for twice as many
        _stack.Peek<List<object?>>("a list").AddRange(items);
    }

    private void SetItems(object?[] pairs)
    {
        Dictionary<string, object?> target = _stack.Peek<Dictionary<string, object?>>("a dictionary");
        if (pairs.Length % 2 != 0)
        {
            throw new InvalidDataException($"expected keys and values in pairs; found {pairs.Length}.");
        }

        _memory.AddSlots(5 * pairs.Length);
        for (int i = 0; i < pairs.Length; i += 2)
        {
            if (!target.TryAdd(Text(pairs[i]), pairs[i + 1]))
            {
                throw new InvalidDataException($"expected each key once; found {Describe(pairs[i])} twice.");
            }
        }
    }

    private void PushGlobal(string module, string name) =>
        Push(_allowed.Global(module, name) ?? throw new InvalidDataException(
            $"expected a name that tensors are made of; found \"{Cut($"{module}.{name}")}\", which is not allowed."));

    private void Call(object? callable, object? arguments)
    {
        object? result = arguments is object?[] values ? _allowed.Call(callable, values) : null;
        Push(result ?? throw new InvalidDataException(
            $"expected a call that makes a tensor; found {Describe(callable)} called with {Describe(arguments)}."));
    }

    private static string Cut(string text) => text.Length > 40 ? text[..40] + "…" : text;

    private static string Text(object? value) =>
        value as string ?? throw new InvalidDataException($"expected text; found {Describe(value)}.");
}
