using Mamba.Autograd;
using Mamba.Devices;

namespace Mamba.Memory;

/// <summary>
/// A block of device memory, with its gradient and its tape. Scopes reuse storages from a pool; an array compares the
/// generation to detect that its memory was returned.
/// </summary>
internal abstract class Storage(Device device, nint length, Precision precision = Precision.Float32)
{
    private Storage? _gradient;
    private int _gradientGeneration;
    private TapeClaim? _claim;

    public Device Device { get; } = device;

    /// <summary>Number of elements.</summary>
    public nint Length { get; } = length;

    /// <summary>Precision of the elements.</summary>
    public Precision Precision { get; } = precision;

    /// <summary>Bytes of all elements.</summary>
    public long Bytes { get; } = precision.Bytes(length);

    /// <summary>Number of times that this storage was freed or returned to a pool.</summary>
    public int Generation { get; private set; }

    /// <summary>Depth of the scope that frees this storage, 1 for the outermost; 0 if it is owned.</summary>
    public int Depth { get; set; }

    /// <summary>
    /// The context whose scope or pool has this storage; null if it is owned, and so shared by all threads.
    /// </summary>
    public DeviceContext? Context { get; set; }

    /// <summary>
    /// Whether the owner frees this storage; false if a scope returns it to the pool.
    /// </summary>
    public bool IsOwned => Depth == 0;

    /// <summary>Whether these are weights that tapes compute gradients for.</summary>
    public bool IsTrainable { get; set; }

    /// <summary>The tape that computed or watches these elements; null if none.</summary>
    public Tape? Tape { get; set; }

    /// <summary>Whether these are weights without values yet: their layer was made for a loader to fill.</summary>
    public bool IsUnset { get; set; }

    /// <summary>Number of copies from the host; shows whether a caller has overwritten the elements.</summary>
    public int Uploads { get; set; }

    /// <summary>
    /// The gradient, in the layout of the elements. The tape allocates it on first use. It becomes null when the scope
    /// that allocated it ends.
    /// </summary>
    public Storage? Gradient
    {
        get => _gradient?.Generation == _gradientGeneration ? _gradient : null;
        set
        {
            _gradient = value;
            _gradientGeneration = value?.Generation ?? 0;
            GradientStart = 0;
            SharesGradient = false;
        }
    }

    /// <summary>Offset of the gradient in <see cref="Gradient"/>.</summary>
    public nint GradientStart { get; private set; }

    /// <summary>Whether the gradient is a part of a larger shared storage.</summary>
    public bool SharesGradient { get; private set; }

    /// <summary>Claims these weights for the tapes of one thread, because gradients accumulate in one array.</summary>
    /// <exception cref="InvalidOperationException">A tape of another thread has claimed them.</exception>
    public void ClaimFor(TapeClaim claim)
    {
        TapeClaim? found = Volatile.Read(ref _claim);
        while (found != claim)
        {
            if (found is { IsOver: false })
            {
                throw Claimed(found);
            }

            TapeClaim? before = Interlocked.CompareExchange(ref _claim, claim, found);
            found = before == found ? claim : before;
        }
    }

    /// <summary>
    /// Throws if a tape of another thread has claimed these weights, because they are about to be overwritten.
    /// </summary>
    public void RequireUnclaimed()
    {
        if (Volatile.Read(ref _claim) is { IsOver: false } claim && claim.Thread != Environment.CurrentManagedThreadId)
        {
            throw Claimed(claim);
        }
    }

    /// <summary>Uses a part of another storage as the gradient.</summary>
    public void ShareGradient(Storage whole, nint start)
    {
        Gradient = whole;
        GradientStart = start;
        SharesGradient = true;
    }

    /// <summary>Invalidates every array that refers to this storage.</summary>
    public void Retire()
    {
        Generation++;
        IsTrainable = false;
        IsUnset = false;
        Tape = null;
        Gradient = null;
    }

    /// <summary>The exception for the use of an array whose memory has been freed.</summary>
    public ObjectDisposedException Ended(string name) => new(
        name,
        Device.IsDisposed ? "The device of this array has been disposed. Use arrays, layers and states before that."
            : IsOwned
            ? "This array has been freed: the layer, state or other owner that it belongs to has been disposed."
            : "The scope of this array has ended. Use the array inside its scope, copy it with ToArray, or let it " +
                "outlive the scope with DeviceScope.Keep. A state that a tape computed must be detached before the " +
                "scope ends.");

    private static InvalidOperationException Claimed(TapeClaim claim) => new(
        $"A tape of thread {claim.Thread} follows these trainable weights; this is thread " +
        $"{Environment.CurrentManagedThreadId}. One thread at a time trains a model: their gradients would add up in " +
        "the same memory. Dispose the other tape first, or give each thread a model of its own.");

    /// <summary>Called when this memory is allocated; its elements are uninitialised.</summary>
    public virtual void Taken()
    {
    }

    /// <summary>Returns the memory to the system.</summary>
    public abstract void Free();
}
