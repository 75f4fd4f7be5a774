namespace Mamba.Memory;

/// <summary>Work that waits until no thread uses what it frees.</summary>
/// <param name="Action">The work.</param>
/// <param name="Stamp">Contexts that were entered before this stamp may use it.</param>
/// <param name="Exempt">
/// The context of the thread that asked for it, which uses it no more; null if it had none.
/// </param>
internal readonly record struct DeferredFree(Action Action, long Stamp, DeviceContext? Exempt);
