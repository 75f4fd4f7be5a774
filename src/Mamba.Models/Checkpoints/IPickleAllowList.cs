namespace Mamba.Models.Checkpoints;

/// <summary>The allow-list of a pickle: the only values that it can name, call or load.</summary>
internal interface IPickleAllowList
{
    /// <summary>Returns the value of a name; null if the name is not allowed.</summary>
    object? Global(string module, string name);

    /// <summary>Calls a value; null if the call, or its arguments, are not allowed.</summary>
    object? Call(object? callable, object?[] arguments);

    /// <summary>Returns the object outside the pickle with an id; null if there is none.</summary>
    object? Persistent(object? id);
}
