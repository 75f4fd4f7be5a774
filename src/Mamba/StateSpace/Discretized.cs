using System.Numerics;

namespace Mamba.StateSpace;

/// <summary>
/// One state of the discrete system <c>h_t = Ā·h_(t-1) + B̄·x_t</c>, with the derivatives of both factors.
/// </summary>
/// <typeparam name="T">double or <see cref="Complex"/>; complex derivatives are holomorphic.</typeparam>
/// <example>
/// <code>
/// Discretized&lt;double> step = Discretization.ZeroOrderHold(delta: 0.1, a: -1, b: 1);
/// double state = 0;
/// foreach (float value in input)
/// {
///     state = (step.ABar * state) + (step.BBar * value);
/// }
/// </code>
/// </example>
public readonly record struct Discretized<T>
    where T : struct, INumberBase<T>
{
    /// <summary>Ā, what is kept of the state.</summary>
    public required T ABar { get; init; }

    /// <summary>B̄, what is taken of the input.</summary>
    public required T BBar { get; init; }

    /// <summary><c>∂Ā/∂A</c></summary>
    public required T ABarByA { get; init; }

    /// <summary><c>∂Ā/∂Δ</c></summary>
    public required T ABarByDelta { get; init; }

    /// <summary><c>∂B̄/∂A</c></summary>
    public required T BBarByA { get; init; }

    /// <summary><c>∂B̄/∂B</c></summary>
    public required T BBarByB { get; init; }

    /// <summary><c>∂B̄/∂Δ</c></summary>
    public required T BBarByDelta { get; init; }
}
