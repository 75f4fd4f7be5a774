namespace Mamba.Text.Grammars;

/// <summary>
/// A grammar over bytes: a network of states, in which a step reads a byte, jumps, or calls a rule and goes on when the
/// rule has ended (a recursive transition network; Woods, CACM 13(10), 1970).
/// </summary>
internal sealed class Grammar
{
    private const int MostStates = 200_000;

    private readonly List<State> _states = [];

    /// <summary>Number of states.</summary>
    public int Count => _states.Count;

    /// <summary>The first state of a text.</summary>
    public int Start { get; set; }

    /// <summary>A state.</summary>
    public State this[int state] => _states[state];

    /// <summary>Adds a state.</summary>
    /// <exception cref="NotSupportedException">There are too many.</exception>
    public int Add()
    {
        if (_states.Count == MostStates)
        {
            throw new NotSupportedException(
                $"The grammar needs more than {MostStates:N0} states. Use a smaller schema.");
        }

        _states.Add(new());
        return _states.Count - 1;
    }

    /// <summary>Reads a byte of a range; gives the state after it.</summary>
    public int Byte(int from, int low, int high)
    {
        int to = Add();
        Byte(from, low, high, to);
        return to;
    }

    /// <summary>Reads a byte of a range and goes to a state.</summary>
    public void Byte(int from, int low, int high, int to) => _states[from].Bytes.Add(((byte)low, (byte)high, to));

    /// <summary>Reads one of some characters of ASCII; gives the state after it.</summary>
    public int AnyOf(int from, string characters)
    {
        int to = Add();
        AnyOf(from, characters, to);
        return to;
    }

    /// <summary>Reads one of some characters of ASCII and goes to a state.</summary>
    public void AnyOf(int from, string characters, int to)
    {
        foreach (char character in characters)
        {
            Byte(from, character, character, to);
        }
    }

    /// <summary>Reads bytes; gives the state after them.</summary>
    public int Literal(int from, ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes)
        {
            from = Byte(from, value, value);
        }

        return from;
    }

    /// <summary>Goes to a state without reading.</summary>
    public void Jump(int from, int to) => _states[from].Jumps.Add(to);

    /// <summary>Reads what a rule reads; gives the state after it.</summary>
    /// <param name="from">The state before it.</param>
    /// <param name="rule">The rule's first state.</param>
    /// <param name="deepens">Whether the rule is one level deeper than what calls it.</param>
    public int Call(int from, int rule, bool deepens = false)
    {
        int to = Add();
        _states[to].Deepens = deepens;
        _states[from].Calls.Add((rule, to));
        return to;
    }

    /// <summary>Makes a state the end of its rule.</summary>
    public void End(int state) => _states[state].IsEnd = true;

    /// <summary>Makes a rule one that may not begin where containers are nested too deeply.</summary>
    public void LimitDepth(int rule) => _states[rule].IsLimited = true;

    /// <summary>Whether a rule calls itself before it reads a byte, so that it can never be read.</summary>
    public bool HasEndlessRule()
    {
        byte[] colours = new byte[Count]; // 1: on the path, 2: done
        Stack<(int State, int Next)> path = [];
        for (int first = 0; first < Count; first++)
        {
            if (colours[first] != 0)
            {
                continue;
            }

            path.Push((first, 0));
            colours[first] = 1;
            while (path.TryPop(out (int State, int Next) top))
            {
                State state = _states[top.State];
                if (top.Next == state.Jumps.Count + state.Calls.Count)
                {
                    colours[top.State] = 2;
                    continue;
                }

                int to = top.Next < state.Jumps.Count
                    ? state.Jumps[top.Next]
                    : state.Calls[top.Next - state.Jumps.Count].Rule;
                path.Push((top.State, top.Next + 1));
                if (colours[to] == 1)
                {
                    return true;
                }

                if (colours[to] == 0)
                {
                    colours[to] = 1;
                    path.Push((to, 0));
                }
            }
        }

        return false;
    }

    /// <summary>A state and the steps from it.</summary>
    public sealed class State
    {
        public List<(byte Low, byte High, int To)> Bytes { get; } = [];

        public List<int> Jumps { get; } = [];

        public List<(int Rule, int Return)> Calls { get; } = [];

        public bool IsEnd { get; set; }

        public bool IsLimited { get; set; }

        /// <summary>Whether the rule that returns here is one level deeper.</summary>
        public bool Deepens { get; set; }
    }
}
