using Mamba.Devices;

namespace Mamba.Memory;

/// <summary>
/// A scope of device memory. Disposing it frees the arrays allocated since <see cref="Device.Scope"/>.
/// </summary>
/// <remarks>
/// Only the thread that opened it can use it. As a <c>ref struct</c> it cannot be captured, stored in an object, or
/// live across an <c>await</c> or <c>yield</c>.
/// </remarks>
/// <example>
/// One scope per iteration keeps memory constant:
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

    /// <summary>The scope as a value that can be stored.</summary>
    internal ScopeHandle Handle { get; }

    /// <summary>Moves an array out of this scope: to the enclosing scope or, without one, to the caller.</summary>
    /// <param name="array">An array that was allocated in this scope or in a nested one.</param>
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

    /// <summary>Moves indices out of this scope: to the enclosing scope or, without one, to the caller.</summary>
    /// <param name="indices">Indices that were allocated in this scope or in a nested one.</param>
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
