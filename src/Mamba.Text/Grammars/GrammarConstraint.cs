using Mamba.Models.Generation;

namespace Mamba.Text.Grammars;

/// <summary>Texts of a grammar.</summary>
/// <param name="grammar">The grammar.</param>
/// <param name="trie">The tokens.</param>
internal sealed class GrammarConstraint(Grammar grammar, TokenTrie trie) : TokenConstraint
{
    /// <inheritdoc/>
    public override TokenConstraintState Start(IReadOnlyCollection<int> stopTokens) =>
        new State(grammar, trie, [.. stopTokens]);

    private sealed class State : TokenConstraintState
    {
        private readonly GrammarRun _run;
        private readonly TokenTrie _trie;
        private readonly int[] _stopTokens;
        private readonly float[] _stopLogits;
        private GrammarRun.PlaceSet _set;

        public State(Grammar grammar, TokenTrie trie, int[] stopTokens)
        {
            _run = new(grammar);
            _trie = trie;
            _stopTokens = stopTokens;
            _stopLogits = new float[stopTokens.Length];
            _set = _run.Start();
        }

        /// <inheritdoc/>
        public override bool IsComplete => _set.IsClosed;

        /// <inheritdoc/>
        public override void Mask(Span<float> logits)
        {
            bool[] allowed = _set.Allowed ??= Allowed();
            for (int i = 0; i < _stopTokens.Length; i++)
            {
                bool isStop = _set.CanEnd && (uint)_stopTokens[i] < (uint)logits.Length;
                _stopLogits[i] = isStop ? logits[_stopTokens[i]] : float.NegativeInfinity;
            }

            for (int id = 0; id < logits.Length; id++)
            {
                logits[id] = id < allowed.Length && allowed[id] ? logits[id] : float.NegativeInfinity;
            }

            for (int i = 0; i < _stopTokens.Length; i++)
            {
                if ((uint)_stopTokens[i] < (uint)logits.Length)
                {
                    logits[_stopTokens[i]] = _stopLogits[i];
                }
            }
        }

        /// <inheritdoc/>
        public override void Advance(int token)
        {
            foreach (byte value in _trie.BytesOf(token))
            {
                _set = _run.Read(_set, value);
            }

            if (_set.IsDead)
            {
                throw new InvalidOperationException($"Token {token} cannot follow in the grammar.");
            }
        }

        private bool[] Allowed()
        {
            bool[] allowed = _trie.Allowed(_run, _set);
            return _set.CanEnd || allowed.AsSpan().Contains(true)
                ? allowed
                : throw new InvalidOperationException(
                    "The vocabulary has no token that can follow in the grammar: it lacks a character that is needed.");
        }
    }
}
