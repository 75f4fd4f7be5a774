using Mamba.Operations;

namespace Mamba.Models.Data;

/// <summary>Input tokens, and the token that follows each of them.</summary>
/// <param name="Rows">Number of rows.</param>
/// <param name="Inputs">The tokens, row by row.</param>
/// <param name="Targets">The following tokens; <see cref="Autograd.Functions.IgnoredTarget"/> if none follows.</param>
/// <example>
/// <code>
/// TokenBatch batch = new(Rows: 1, Inputs: [1, 2, 3], Targets: [2, 3, 4]);
/// DeviceArray loss = model.Loss(batch.Inputs, batch.Targets, batch.Rows);
/// </code>
/// </example>
public sealed record TokenBatch(int Rows, int[] Inputs, int[] Targets)
{
    /// <summary>The documents that are packed into one row; null if they are not packed.</summary>
    public Segments? Segments { get; init; }

    /// <summary>Whether the rows start new sequences: a carried state must be cleared before them.</summary>
    public bool Begins { get; init; } = true;
}
