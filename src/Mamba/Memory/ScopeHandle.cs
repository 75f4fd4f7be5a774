namespace Mamba.Memory;

/// <summary>Identifies a scope by its context, depth and id.</summary>
internal readonly record struct ScopeHandle(DeviceContext? Context, int Depth, long Id)
{
    private DeviceContext Opened => Context
        ?? throw new InvalidOperationException("This scope is empty (default); Device.Scope() begins one.");

    /// <summary>Moves memory out of the scope.</summary>
    public void Keep(Storage storage) => Opened.KeepBeyond(Depth, Id, storage);

    /// <summary>Ends the scope.</summary>
    public void End() => Opened.End(Depth, Id);
}
