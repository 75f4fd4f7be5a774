using Mamba.Autograd;

namespace Mamba.Tasks;

/// <summary>Sequences of equal length with questions in them.</summary>
/// <param name="Rows">Number of sequences.</param>
/// <param name="Tokens">The tokens, row after row.</param>
/// <param name="Targets">
/// What a model shall answer after each token; <see cref="Functions.IgnoredTarget"/> where nothing is asked.
/// </param>
internal sealed record TaskBatch(int Rows, int[] Tokens, int[] Targets)
{
    /// <summary>Makes sequences without questions, of token 0.</summary>
    public TaskBatch(int rows, int length)
        : this(rows, new int[rows * length], new int[rows * length]) => Array.Fill(Targets, Functions.IgnoredTarget);

    /// <summary>Tokens of a sequence.</summary>
    public int Length => Tokens.Length / Rows;

    /// <summary>The tokens of a sequence.</summary>
    public Span<int> TokensOf(int row) => Tokens.AsSpan(row * Length, Length);

    /// <summary>The targets of a sequence.</summary>
    public Span<int> TargetsOf(int row) => Targets.AsSpan(row * Length, Length);
}
