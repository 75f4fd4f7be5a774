namespace Mamba.Models.Checkpoints;

/// <summary>What the words of a pickle mean to its reader: the only things that it can name, call or fetch.</summary>
internal interface IPickleWorld
{
    /// <summary>Gives the value of a name; null when the name is not allowed.</summary>
    object? Global(string module, string name);

    /// <summary>Calls a value; null when it is not to be called, or not with these arguments.</summary>
    object? Call(object? callable, object?[] arguments);

    /// <summary>Gives what is stored outside the pickle under an id; null when there is no such thing.</summary>
    object? Persistent(object? id);
}
