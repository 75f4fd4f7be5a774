using Mamba.Devices;

namespace Mamba.Memory;

/// <summary>Frees what was allocated since <see cref="Device.Scope"/>, when disposed.</summary>
/// <remarks>
/// It belongs to the thread that opened it. As a <c>ref struct</c> it cannot be captured, stored in an object, or live
/// across an <c>await</c> or <c>yield</c>.
/// </remarks>
/// <example>
/// A scope for every round of a loop keeps memory constant:
/// <code>
/// for (int t = 0; t &lt; 100; t++)
/// {
///     using DeviceScope scope = device.Scope();
///     DeviceArray y = mixer.Step(device.Array([1, 1, 64], input), state);
///     y.CopyTo(input);
/// }
/// </code>
/// </example>
public readonly ref struct DeviceScope : IDisposable
{
    internal DeviceScope(ScopeHandle handle) => Handle = handle;

    /// <summary>What the scope is, to be stored.</summary>
    internal ScopeHandle Handle { get; }

    /// <summary>Lets an array outlive this scope: it then belongs to the enclosing scope, or to the caller.</summary>
    /// <param name="array">An array that was allocated in this scope, or in one inside it.</param>
    /// <returns>The array.</returns>
    /// <exception cref="ArgumentException">The array is on another device.</exception>
    /// <exception cref="InvalidOperationException">
    /// The scope has ended, or the array belongs to a scope of another thread.
    /// </exception>
    public DeviceArray Keep(DeviceArray array)
    {
        Handle.Keep(array.Storage);
        return array;
    }

    /// <summary>Lets indices outlive this scope: they then belong to the enclosing scope, or to the caller.</summary>
    /// <param name="indices">Indices that were allocated in this scope, or in one inside it.</param>
    /// <returns>The indices.</returns>
    /// <exception cref="ArgumentException">The indices are on another device.</exception>
    /// <exception cref="InvalidOperationException">
    /// The scope has ended, or the indices belong to a scope of another thread.
    /// </exception>
    public IndexArray Keep(IndexArray indices)
    {
        Handle.Keep(indices.Storage);
        return indices;
    }

    /// <summary>Frees the scope's arrays.</summary>
    /// <exception cref="InvalidOperationException">
    /// An inner scope has not been disposed, or this one has been disposed already.
    /// </exception>
    public void Dispose() => Handle.End();
}
