using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

/// <summary>
/// Records computations with parameters on a device and computes their gradients. Without a tape nothing is recorded
/// and nothing is kept.
/// </summary>
/// <remarks>
/// Reverse-mode differentiation. Arrays and gradients live in the device's scope, so open a scope before the tape and
/// end it after the tape. A tape follows trainable parameters, watched arrays, and all that is computed from them under
/// it. A gradient belongs to the memory of an array: a slice's gradient is a slice of the whole gradient. A tape goes
/// backward once, and then stops recording. Gradients of parameters accumulate over tapes until they are cleared. Those
/// of watched arrays start at zero with every tape that watches them.
/// <para>
/// A tape belongs to the thread that created it, and records what this thread computes. Tapes of several threads can
/// exist at once on one device if they follow different parameters. Using a parameter that a tape of another thread
/// follows throws.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// using DeviceScope scope = device.Scope();
/// using Tape tape = new(device);
/// DeviceArray loss = Functions.Mean(mixer.Forward(device.Array([1, 10, 64], tokens)));
/// tape.Backward(loss);
/// optimizer.Step();
/// </code>
/// </example>
public sealed class Tape : IDisposable
{
    private readonly List<Recorded> _entries = [];
    private readonly Dictionary<Storage, Action> _completions = [];
    private readonly List<DeviceArray> _watched = [];
    private readonly List<DeviceArray> _released = [];
    private readonly Device _device;
    private readonly DeviceContext _context;
    private readonly Tape? _parent;
    private readonly TapeClaim _claim;
    private readonly (int Depth, long Id) _scope;
    private (long? Seed, long Draw) _noise;
    private volatile bool _isDone;
    private bool _isDisposed;

    /// <summary>Starts recording on a device.</summary>
    /// <param name="device">The device; the calling thread has an open scope on it, and no other tape.</param>
    /// <exception cref="InvalidOperationException">
    /// Another tape of this thread records on the device, or no scope is open.
    /// </exception>
    public Tape(Device device)
        : this(device, parent: null)
    {
    }

    /// <summary>Starts recording on a device, with a seed for random functions.</summary>
    /// <param name="device">The device; the calling thread has an open scope on it, and no other tape.</param>
    /// <param name="seed">
    /// The seed of all masks that functions such as <see cref="Functions.Dropout(DeviceArray, double)"/> draw under the
    /// tape. Equal seeds give equal masks; use the number of the batch, for example.
    /// </param>
    /// <exception cref="InvalidOperationException">
    /// Another tape of this thread records on the device, or no scope is open.
    /// </exception>
    public Tape(Device device, long seed)
        : this(device, parent: null) => _noise = (seed, 0);

    /// <summary>
    /// Starts recording in place of a suspended tape, and follows all that the suspended tape follows.
    /// </summary>
    internal Tape(Device device, Tape? parent)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (device.Tape is not null)
        {
            throw new InvalidOperationException("Another tape records on this device; dispose it first.");
        }

        _device = device;
        _context = device.RequireContext();
        _parent = parent;
        _noise = parent?._noise ?? default;
        IsRepeating = parent?.IsRepeating ?? false;
        _scope = _context.BeginTape();
        _claim = _context.Claim!;
        _context.Tape = this;
    }

    /// <summary>Whether the tape records, or is suspended, and has not gone backward.</summary>
    internal bool IsLive => !_isDone && !_isDisposed && _context.IsOpen(_scope.Depth, _scope.Id);

    /// <summary>State of the random numbers: the seed and the number of the next draw.</summary>
    internal (long? Seed, long Draw) Noise
    {
        get => _noise;
        set => _noise = value;
    }

    /// <summary>Whether the tape records a repeated forward pass of <c>Functions.Recompute</c>.</summary>
    internal bool IsRepeating { get; set; }

    /// <summary>Number of recorded operations.</summary>
    internal int Count => _entries.Count;

    /// <summary>Requests the gradient of an array that is not a parameter, such as an input.</summary>
    /// <param name="array">An array on the tape's device. If an earlier tape left a gradient, it becomes zero.</param>
    /// <exception cref="ArgumentException">The array is on another device.</exception>
    /// <exception cref="InvalidOperationException">The tape has gone backward already.</exception>
    public void Watch(DeviceArray array)
    {
        RequireRecording();
        RequireOnDevice(array);
        Storage storage = array.Storage;
        if (storage.IsTrainable || Follows(storage))
        {
            return;
        }

        _context.Require(storage);
        if (storage.IsOwned)
        {
            storage.ClaimFor(_claim);
        }

        storage.Tape = this;
        _watched.Add(array);
        if (storage.Gradient is { } gradient)
        {
            _device.Clear(gradient);
        }
    }

    /// <summary>Computes the gradients of a scalar with respect to all arrays that the tape follows.</summary>
    /// <param name="loss">An array of one element that the tape has recorded.</param>
    /// <exception cref="ArgumentException">The array has more than one element, or is on another device.</exception>
    /// <exception cref="InvalidOperationException">
    /// The tape has gone backward already, or the array was not computed under it from an array that it follows.
    /// </exception>
    public void Backward(DeviceArray loss)
    {
        RequireBackward(loss);
        if (loss.Shape.Count != 1)
        {
            throw new ArgumentException($"Expected one element; found {loss.Shape}. Pass the gradient of each output.");
        }

        _device.Fill(GradientOf(loss), 1f);
        Backward();
    }

    /// <summary>Computes gradients, given those of several outputs.</summary>
    /// <param name="outputs">Each output, and the gradient of the loss with respect to it.</param>
    /// <exception cref="ArgumentException">
    /// There are no outputs, one is on another device, or a gradient has another shape than its output.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The tape has gone backward already, or an output was not computed under it from an array that it follows.
    /// </exception>
    public void Backward(params ReadOnlySpan<(DeviceArray Output, DeviceArray Gradient)> outputs)
    {
        if (outputs.IsEmpty)
        {
            throw new ArgumentException("Expected an output with its gradient; found none.", nameof(outputs));
        }

        foreach ((DeviceArray output, DeviceArray gradient) in outputs)
        {
            RequireBackward(output);
            DeviceArray.Require("a gradient", gradient, output.Shape);
            RequireOnDevice(gradient);
        }

        foreach ((DeviceArray output, DeviceArray gradient) in outputs)
        {
            _device.AddScaled(gradient, 1f, GradientOf(output));
        }

        Backward();
    }

    /// <summary>The gradient of an array, after <see cref="Backward(DeviceArray)"/>.</summary>
    /// <param name="array">
    /// A parameter's value, a watched array, or anything computed from them under this tape.
    /// </param>
    /// <returns>An array of the same shape; zeros if no gradient reached it.</returns>
    /// <exception cref="ArgumentException">The array is on another device.</exception>
    /// <exception cref="InvalidOperationException">The tape does not follow the array.</exception>
    /// <exception cref="ObjectDisposedException">The tape has been disposed.</exception>
    public DeviceArray GradientOf(DeviceArray array)
    {
        RequireNotDisposed();
        RequireOnDevice(array);
        Storage storage = array.Storage;
        if (!IsWanted(storage))
        {
            throw new InvalidOperationException(
                $"The tape does not follow this array {array.Shape}: it is no trainable parameter, it is not " +
                "watched, and it was not computed from one under this tape. Call Watch before computing with it.");
        }

        Claim(storage);
        storage.Gradient ??= _device.AllocateGradient(storage);
        return array.Gradient;
    }

    /// <summary>
    /// Calls an action during <c>Backward</c>, as soon as the gradient of an array is complete: no later step adds to
    /// it. Data-parallel training exchanges the gradient in this action, during the rest of the backward pass.
    /// </summary>
    /// <param name="array">A parameter's value or a watched array, whole or a view of it.</param>
    /// <param name="action">
    /// Called once, on the thread that called <c>Backward</c>; at its start if nothing was computed from the array. It
    /// replaces an earlier action for the same array.
    /// </param>
    /// <exception cref="ArgumentException">The array is on another device.</exception>
    /// <exception cref="InvalidOperationException">The tape has gone backward already.</exception>
    /// <example>
    /// <code>
    /// tape.WhenComplete(parameter.Value, () => exchange.Begin(tape.GradientOf(parameter.Value)));
    /// tape.Backward(loss);
    /// </code>
    /// </example>
    public void WhenComplete(DeviceArray array, Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        RequireRecording();
        RequireOnDevice(array);
        _completions[array.Storage] = action;
    }

    /// <summary>
    /// Suspends recording until the result is disposed. What is computed meanwhile has no gradients, such as samples of
    /// a model during a training step.
    /// </summary>
    /// <returns>Resumes recording when disposed.</returns>
    /// <exception cref="InvalidOperationException">The tape does not record.</exception>
    public Suspension Suspend()
    {
        RequireRecording();
        return new(_device);
    }

    /// <summary>Ends the recording.</summary>
    /// <exception cref="InvalidOperationException">The tape records, and another thread created it.</exception>
    public void Dispose()
    {
        if (_isDisposed)
        {
            return;
        }

        if (IsLive)
        {
            RequireOwnThread();
        }

        _isDisposed = true;
        Stop();
        foreach (DeviceArray array in _watched.Where(array => array.IsAlive && array.Storage.Tape == this))
        {
            array.Storage.Tape = null;
        }
    }

    /// <summary>Whether a tape follows an operand, so that the operation must be recorded.</summary>
    /// <exception cref="InvalidOperationException">Weights among the operands were never set.</exception>
    internal static bool Follows<TOperation>(in TOperation operation)
        where TOperation : struct, IDifferentiable<TOperation>
    {
        FollowedMap map = default;
        _ = operation.Map(ref map);
        return map.IsFollowed;
    }

    /// <summary>Whether a tape records on the arrays' device and follows any of them.</summary>
    /// <exception cref="InvalidOperationException">Weights among them were never set.</exception>
    internal static bool Follows(params ReadOnlySpan<DeviceArray> inputs)
    {
        FollowedMap map = default;
        foreach (DeviceArray input in inputs)
        {
            map.Operand(input);
        }

        return map.IsFollowed;
    }

    /// <summary>Whether a storage is watched or was computed under the tape of its device.</summary>
    internal static bool IsFollowed(Storage storage) => storage.Device.Tape is { } tape && tape.Follows(storage);

    /// <summary>Suspends the tape of a device, if it has one.</summary>
    internal static Suspension Suspend(Device device) => new(device);

    /// <summary>The random numbers of the next draw.</summary>
    /// <exception cref="InvalidOperationException">The tape has no seed.</exception>
    internal NoiseStream NextNoise()
    {
        long seed = _noise.Seed ?? throw new InvalidOperationException(
            "What is random under a tape needs the tape's seed, or every tape would draw the same: begin it by " +
            "new Tape(device, seed), such as the number of the batch.");
        return new(seed, _noise.Draw++);
    }

    /// <summary>The gradient of an input, to be added to; <c>default</c> if none is wanted.</summary>
    internal DeviceArray Wanted(DeviceArray input) =>
        input.Exists && IsWanted(input.Storage) ? GradientOf(input) : default;

    /// <summary>Records a computed operation.</summary>
    internal void Record<TOperation>(in TOperation operation)
        where TOperation : struct, IDifferentiable<TOperation>
    {
        OutputMap map = new(this);
        _ = operation.Map(ref map);
        _entries.Add(new Recorded<TOperation>(operation));
    }

    /// <summary>Those operands of the recorded operations that another tape follows.</summary>
    internal DeviceArray[] OperandsOf(Tape other)
    {
        OperandMap map = new([]);
        foreach (Recorded entry in _entries)
        {
            entry.Map(ref map);
        }

        return [.. map.Operands.Values.Where(array => other.IsWanted(array.Storage))];
    }

    /// <summary>
    /// Handles the end of a scope: operations recorded since <paramref name="first"/> have lost their arrays.
    /// </summary>
    internal void ScopeEnds(int depth, long id, int first)
    {
        if (_scope == (depth, id))
        {
            Stop();
            return;
        }

        // Operations whose outputs end with the scope no longer matter; those with a kept output do.
        int kept = first;
        for (int i = first; i < _entries.Count; i++)
        {
            DepthMap map = new(depth);
            _entries[i].Map(ref map);
            if (map.IsOutside)
            {
                _entries[i].IsBroken = true;
                _entries[kept++] = _entries[i];
            }
        }

        _entries.RemoveRange(kept, _entries.Count - kept);
    }

    /// <summary>Frees owned memory that this tape may have recorded, when the tape has gone backward or ends.</summary>
    /// <remarks>Any thread may call it: for example the one that disposes a state that the tape has read.</remarks>
    internal void ReleaseAtEnd(DeviceArray array)
    {
        _device.VoidRecordings();
        lock (_released)
        {
            if (!_isDone)
            {
                _released.Add(array);
                return;
            }
        }

        _device.Release(array);
    }

    /// <summary>Claims an operand for this thread while any of its tapes lives, if it is a trainable weight.</summary>
    /// <exception cref="InvalidOperationException">A tape of another thread follows the weight.</exception>
    internal void Claim(Storage operand)
    {
        if (operand.IsTrainable)
        {
            operand.ClaimFor(_claim);
        }
    }

    private bool Follows(Storage storage)
    {
        for (Tape? tape = this; tape is not null && storage.Tape is not null; tape = tape._parent)
        {
            if (storage.Tape == tape)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether the tape follows a storage.</summary>
    internal bool IsWanted(Storage storage) => storage.IsTrainable || Follows(storage);

    private void Backward()
    {
        try
        {
            Dictionary<int, List<Action>> completions = CompletionsByEntry();
            Complete(completions, _entries.Count);
            for (int i = _entries.Count - 1; i >= 0; i--)
            {
                Backward(_entries[i]);
                Complete(completions, i);
            }
        }
        finally
        {
            Stop();
        }
    }

    private void Backward(Recorded entry)
    {
        ReachedMap map = default;
        entry.Map(ref map);
        if (!map.IsReached)
        {
            return; // no gradient has reached its outputs
        }

        if (entry.IsBroken)
        {
            throw new InvalidOperationException(
                "A scope that was opened under this tape has ended, and with it arrays that the way back needs. End " +
                "such a scope after Backward, or compute in it nothing that Backward depends on.");
        }

        entry.Backward(this, _device);
    }

    /// <summary>
    /// The actions of <see cref="WhenComplete"/>, by the first operation that uses the array: no earlier one adds to
    /// its gradient. Actions for arrays that no operation uses are at the number of operations.
    /// </summary>
    private Dictionary<int, List<Action>> CompletionsByEntry()
    {
        Dictionary<int, List<Action>> byEntry = [];
        Dictionary<Storage, Action> left = new(_completions);
        for (int i = 0; i < _entries.Count && left.Count > 0; i++)
        {
            OperandMap map = new([]);
            _entries[i].Map(ref map);
            foreach (Storage storage in map.Operands.Keys)
            {
                if (left.Remove(storage, out Action? action))
                {
                    Add(i, action);
                }
            }
        }

        foreach (Action action in left.Values)
        {
            Add(_entries.Count, action);
        }

        return byEntry;

        void Add(int entry, Action action)
        {
            if (!byEntry.TryGetValue(entry, out List<Action>? actions))
            {
                byEntry[entry] = actions = [];
            }

            actions.Add(action);
        }
    }

    private void Complete(Dictionary<int, List<Action>> completions, int entry)
    {
        if (completions.TryGetValue(entry, out List<Action>? actions))
        {
            using Suspension suspension = new(_device); // what an action computes is not recorded
            actions.ForEach(action => action());
        }
    }

    private void Stop()
    {
        if (_context.Tape == this)
        {
            _context.Tape = null;
        }

        if (_isDone)
        {
            return;
        }

        DeviceArray[] released;
        lock (_released)
        {
            _isDone = true;
            released = [.. _released];
            _released.Clear();
        }

        _entries.Clear();
        _completions.Clear();
        Array.ForEach(released, _device.Release);
        _claim.EndTape();
        _device.CountTapes(-1);
    }

    private void RequireBackward(DeviceArray output)
    {
        RequireRecording();
        RequireOnDevice(output);
        if (!IsWanted(output.Storage))
        {
            throw new InvalidOperationException(
                $"This tape has not recorded the output {output.Shape}: it was computed before the tape began or " +
                "while it was suspended, or it depends on no trainable parameter and no watched array.");
        }
    }

    private void RequireRecording()
    {
        RequireNotDisposed();
        if (_isDone)
        {
            throw new InvalidOperationException(
                "This tape has gone backward, or its scope has ended: it records no more. Pass several outputs to " +
                "one call, Backward((a, ga), (b, gb)), or begin a new tape.");
        }

        RequireOwnThread();
    }

    private void RequireOwnThread()
    {
        if (_device.RequireContext() != _context)
        {
            throw new InvalidOperationException(
                $"This tape was begun by thread {_claim.Thread}; this is thread " +
                $"{Environment.CurrentManagedThreadId}. " +
                "A tape records what its own thread computes, and goes backward there: begin one on each thread.");
        }
    }

    private void RequireNotDisposed()
    {
        if (_isDisposed)
        {
            throw new ObjectDisposedException(nameof(Tape), "This tape has been disposed.");
        }
    }

    private void RequireOnDevice(DeviceArray array)
    {
        if (array.Device != _device)
        {
            throw new ArgumentException($"The tape records on \"{_device}\"; the array is on \"{array.Device}\".");
        }
    }

    /// <summary>Suspends recording on a device until it is disposed.</summary>
    public readonly ref struct Suspension
    {
        private readonly Device? _device;
        private readonly Tape? _tape;

        internal Suspension(Device device)
        {
            _device = device;
            _tape = device.Tape;
            device.Tape = null;
        }

        /// <summary>Resumes recording.</summary>
        public void Dispose()
        {
            if (_tape is { IsLive: true })
            {
                _device!.Tape = _tape;
            }
        }
    }
}
