using Mamba.Operations;

namespace Mamba.Models.Data;

/// <summary>Tokens to read, and the token that follows each of them.</summary>
/// <param name="Rows">Number of rows.</param>
/// <param name="Inputs">Row after row.</param>
/// <param name="Targets">As many; <see cref="Autograd.Functions.IgnoredTarget"/> where none follows.</param>
/// <example>
/// <code>
/// TokenBatch batch = new(Rows: 1, Inputs: [1, 2, 3], Targets: [2, 3, 4]);
/// DeviceArray loss = model.Loss(batch.Inputs, batch.Targets, batch.Rows);
/// </code>
/// </example>
public sealed record TokenBatch(int Rows, int[] Inputs, int[] Targets)
{
    /// <summary>Where documents that are packed into one row begin and end; null: they are not packed.</summary>
    public Segments? Segments { get; init; }

    /// <summary>Whether the rows have nothing before them: a state that is carried on must be cleared.</summary>
    public bool Begins { get; init; } = true;
}
