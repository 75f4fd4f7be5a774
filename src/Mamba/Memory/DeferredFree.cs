namespace Mamba.Memory;

/// <summary>An action deferred until no thread uses the memory that it frees.</summary>
/// <param name="Action">The action.</param>
/// <param name="Stamp">Contexts entered before this stamp may still use the memory.</param>
/// <param name="Exempt">
/// The context of the requesting thread, which no longer uses the memory; null if it had none.
/// </param>
internal readonly record struct DeferredFree(Action Action, long Stamp, DeviceContext? Exempt);
