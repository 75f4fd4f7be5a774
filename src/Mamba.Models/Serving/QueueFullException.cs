namespace Mamba.Models.Serving;

/// <summary>A <see cref="MambaEngine"/> has no room for another request; try again later.</summary>
/// <param name="waiting">Number of requests that wait.</param>
/// <example>
/// <code>
/// try
/// {
///     GenerationRequest request = engine.Submit(prompt);
/// }
/// catch (QueueFullException)
/// {
///     Console.WriteLine("Try again later.");
/// }
/// </code>
/// </example>
public sealed class QueueFullException(int waiting)
    : InvalidOperationException($"The engine's queue is full: {waiting} requests wait. Try again later.");
