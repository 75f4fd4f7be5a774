namespace Mamba.Models.Generation;

/// <summary>A rule about which tokens a generated text may consist of.</summary>
/// <remarks>One constraint serves any number of texts at the same time.</remarks>
/// <example>
/// <code>
/// TokenConstraint digits = TokenConstraint.Allow(generated => generated.Count &lt; 4 ? [48, 49, 50, 51] : [0]);
/// await foreach (int token in model.GenerateAsync(prompt, new() { Constraint = digits }))
/// {
///     Console.Write($"{token} ");
/// }
/// </code>
/// </example>
public abstract class TokenConstraint
{
    /// <summary>A constraint by a function that lists the tokens that may come next.</summary>
    /// <param name="allowed">
    /// Gets the generated tokens so far, and gives the ids of the tokens that may follow, stop tokens included; null
    /// allows all. Ids outside the vocabulary count as nothing.
    /// </param>
    /// <returns>The constraint.</returns>
    public static TokenConstraint Allow(Func<IReadOnlyList<int>, IEnumerable<int>?> allowed)
    {
        ArgumentNullException.ThrowIfNull(allowed);
        return new AllowedTokens(allowed);
    }

    /// <summary>Begins a text.</summary>
    /// <param name="stopTokens">The tokens that end it, of which the constraint decides too.</param>
    /// <returns>The constraint's state in this text.</returns>
    public abstract TokenConstraintState Start(IReadOnlyCollection<int> stopTokens);

    private sealed class AllowedTokens(Func<IReadOnlyList<int>, IEnumerable<int>?> allowed) : TokenConstraint
    {
        public override TokenConstraintState Start(IReadOnlyCollection<int> stopTokens) => new State(allowed);

        private sealed class State(Func<IReadOnlyList<int>, IEnumerable<int>?> allowed) : TokenConstraintState
        {
            private readonly List<int> _generated = [];
            private readonly List<(int Id, float Logit)> _kept = [];

            public override bool IsComplete => false;

            public override void Mask(Span<float> logits)
            {
                if (allowed(_generated) is not { } ids)
                {
                    return;
                }

                _kept.Clear();
                foreach (int id in ids)
                {
                    if ((uint)id < (uint)logits.Length)
                    {
                        _kept.Add((id, logits[id]));
                    }
                }

                logits.Fill(float.NegativeInfinity);
                foreach ((int id, float logit) in _kept)
                {
                    logits[id] = logit;
                }
            }

            public override void Advance(int token) => _generated.Add(token);
        }
    }
}
