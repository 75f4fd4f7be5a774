using Mamba.Layers;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Models;

/// <summary>
/// The state of a model after the texts that it has read. It can be cloned, forked, saved and loaded. Its size does not
/// depend on the length of the texts, unless layers store tokens, as attention does.
/// </summary>
/// <remarks>
/// A call that fails leaves the state unchanged. Only one thread at a time may use a state; a second one gets an
/// exception. Several threads may clone it at once.
/// </remarks>
/// <example>
/// <code>
/// using ModelState state = model.CreateState();
/// float[] logits = new float[model.Config.VocabularySize];
/// model.Prefill(prompt, state, logits);
/// using ModelState other = state.Clone();                               // two continuations of one prompt
/// model.Step([ids[0]], state, logits);
/// model.Step([ids[1]], other, logits);
/// </code>
/// </example>
public sealed class ModelState : IDisposable
{
    private readonly LayerState[] _layers;
    private readonly long[] _positions;
    private RecordedStep[] _recorded = [];
    private volatile bool _isDisposed;

    internal ModelState(LayerState[] layers, int batch, string kind)
    {
        _layers = layers;
        _positions = new long[batch];
        Kind = kind;
        CanRecord = Array.TrueForAll(layers, layer => layer.CanRecord);
        CanRecordSlots = Array.TrueForAll(layers, layer => layer is MixerState);
    }

    /// <summary>Number of texts.</summary>
    public int Batch => _positions.Length;

    /// <summary>Tokens read of each text, at most 2^63 - 1, because a file may contain such a number.</summary>
    public IReadOnlyList<long> Positions => _positions;

    /// <summary>The state of each layer.</summary>
    public IReadOnlyList<LayerState> Layers => _layers;

    /// <summary>Description of the shape and meaning of the state; see <see cref="StateKind"/>.</summary>
    internal string Kind { get; }

    /// <summary>Number of changes: reads, steps, copies and loads.</summary>
    internal long Version { get; private set; }

    /// <summary>Whether a step over the states of all layers can be captured and replayed.</summary>
    internal bool CanRecord { get; }

    /// <summary>Whether a step over slots can be captured, with other slots at each replay.</summary>
    internal bool CanRecordSlots { get; }

    /// <summary>Hash of the layers' token capacities, which determine the memory that a step needs.</summary>
    internal long Room
    {
        get
        {
            long room = 0;
            foreach (LayerState layer in _layers)
            {
                room = unchecked((room * 31) + layer.Room);
            }

            return room;
        }
    }

    /// <summary>Makes an equal state with its own memory, for example to fork a conversation.</summary>
    /// <returns>The copy; the caller disposes it.</returns>
    /// <exception cref="ObjectDisposedException">The state has been disposed.</exception>
    public ModelState Clone() => Clone(null);

    /// <summary>Copies some texts to a new state; null: all.</summary>
    internal ModelState Clone(StateSlots? slots)
    {
        ModelState copy = CreateEmpty(slots?.Count ?? Batch);
        try
        {
            if (slots is null)
            {
                copy.CopyFrom(this);
                return copy;
            }

            for (int i = 0; i < slots.Count; i++)
            {
                copy.CopySlot(i, this, slots.Rows[i]);
            }

            return copy;
        }
        catch
        {
            copy.Dispose();
            throw;
        }
    }

    /// <summary>Copies the contents of another state, for all texts.</summary>
    /// <param name="other">A state of the same model with the same number of texts.</param>
    /// <exception cref="ArgumentException">
    /// The other state belongs to another model or device, or has another number of texts.
    /// </exception>
    public void CopyFrom(ModelState other)
    {
        using ModelStateUse use = new(this), reading = new(other, isRead: true);
        RequireSameModel(other);
        for (int i = 0; i < _layers.Length; i++)
        {
            _layers[i].RequireCopyFrom(other._layers[i]);
        }

        TakeFrom(other._layers);
        SetPositions(other._positions);
    }

    /// <summary>Copies one text of another state into this one.</summary>
    /// <param name="slot">The text of this state that is overwritten.</param>
    /// <param name="other">A state of the same model.</param>
    /// <param name="otherSlot">The text of the other state.</param>
    /// <exception cref="ArgumentException">
    /// The other state belongs to another model or device, or to a mixer that cannot store texts of different lengths.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A text is out of range.</exception>
    /// <exception cref="InvalidOperationException">A tape follows one of the states.</exception>
    public void CopySlot(int slot, ModelState other, int otherSlot)
    {
        using ModelStateUse use = new(this), reading = new(other, isRead: true);
        RequireSameModel(other);
        for (int i = 0; i < _layers.Length; i++)
        {
            _layers[i].RequireCopySlot(slot, other._layers[i], otherSlot);
        }

        for (int i = 0; i < _layers.Length; i++)
        {
            _layers[i].ReserveFor(other._layers[i], otherSlot); // everything that may fail comes first
        }

        for (int i = 0; i < _layers.Length; i++)
        {
            _layers[i].CopySlot(slot, other._layers[i], otherSlot);
        }

        _positions[slot] = other._positions[otherSlot];
        Version++;
    }

    /// <summary>Stops gradients from flowing to earlier tokens, as in truncated back-propagation.</summary>
    public void Detach()
    {
        using ModelStateUse use = new(this);
        foreach (LayerState layer in _layers)
        {
            layer.Detach();
        }
    }

    /// <summary>
    /// Writes the state: format, version, kind of model, positions, arrays, and a checksum of all of them.
    /// </summary>
    /// <param name="stream">The stream to write to.</param>
    /// <exception cref="ObjectDisposedException">The state has been disposed. Nothing is written.</exception>
    public void Save(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using ModelStateUse use = new(this);
        StateFile.Write(this, stream);
    }

    /// <summary>
    /// Reads a state that was saved from a model of the same kind. On failure this state is unchanged.
    /// </summary>
    /// <param name="stream">The stream to read from.</param>
    /// <exception cref="InvalidDataException">
    /// The data are not a state, belong to another version, model or batch, or are truncated or damaged.
    /// </exception>
    public void Load(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using ModelStateUse use = new(this);
        StateFile.Read(this, stream);
    }

    /// <summary>
    /// Frees the memory. If another thread is using the state, that thread frees it at the end of its use.
    /// </summary>
    public void Dispose()
    {
        _isDisposed = true;
        FreeRecorded();
        foreach (LayerState layer in _layers)
        {
            layer.Dispose();
        }
    }

    /// <summary>Frees memory that no recording refers to, so recordings stay valid.</summary>
    internal void DisposeUnrecorded()
    {
        DeviceContext? context = _layers.Length > 0 ? _layers[0].Device.RequireContext() : null;
        try
        {
            context?.FreesUnrecorded = true;
            Dispose();
        }
        finally
        {
            context?.FreesUnrecorded = false;
        }
    }

    /// <summary>Begins a use by the calling thread, of all layers, or of none if one is in use.</summary>
    /// <exception cref="InvalidOperationException">Another thread uses the state.</exception>
    internal void Enter(bool isRead)
    {
        int entered = 0;
        try
        {
            for (; entered < _layers.Length; entered++)
            {
                _layers[entered].Enter(isRead);
            }
        }
        finally
        {
            if (entered < _layers.Length)
            {
                Exit(entered, isRead);
            }
        }
    }

    /// <summary>Ends a use.</summary>
    internal void Exit(bool isRead)
    {
        Exit(_layers.Length, isRead);
        if (_isDisposed)
        {
            FreeRecorded(); // a step made it while another thread disposed the state
        }
    }

    /// <summary>Frees the memory at the device's next use. For finalizers, which must not wait.</summary>
    internal void Abandon()
    {
        if (_layers.Length > 0)
        {
            _layers[0].Device.Defer(Dispose);
        }
    }

    /// <summary>Makes a state of the same kind with unset contents.</summary>
    internal ModelState CreateEmpty(int batch) =>
        new(CreateLayers(_layers, layer => layer.CreateEmpty(batch)), batch, Kind);

    /// <summary>The recorded step of a model for some texts; null if absent.</summary>
    internal RecordedStep? RecordedOf(MambaLanguageModel model, StateSlots? slots, bool isGreedy)
    {
        foreach (RecordedStep recorded in _recorded)
        {
            if (recorded.Model == model && recorded.Fits(slots, isGreedy))
            {
                return recorded;
            }
        }

        return null;
    }

    /// <summary>Stores a recorded step, and frees those of other models.</summary>
    internal void Keep(RecordedStep recorded)
    {
        foreach (RecordedStep other in _recorded)
        {
            if (other.Model != recorded.Model)
            {
                other.Dispose();
            }
        }

        _recorded = [.. _recorded.Where(other => other.Model == recorded.Model), recorded];
    }

    /// <summary>Makes the states of layers. If one cannot be made, the earlier ones are freed.</summary>
    internal static LayerState[] CreateLayers<T>(T[] layers, Func<T, LayerState> create)
    {
        List<LayerState> made = [];
        try
        {
            foreach (T layer in layers)
            {
                made.Add(create(layer));
            }

            return [.. made];
        }
        catch
        {
            made.ForEach(state => state.Dispose());
            throw;
        }
    }

    /// <summary>Throws unless all layers are usable.</summary>
    internal void RequireUsable()
    {
        foreach (LayerState layer in _layers)
        {
            layer.RequireUsable();
        }
    }

    /// <summary>Adds to the positions after tokens were read.</summary>
    /// <param name="length">Tokens read of each text, unless they are packed.</param>
    /// <param name="segments">Packed texts, each with its own length.</param>
    /// <param name="slots">The texts; null: all.</param>
    internal void Advance(int length, Segments? segments = null, StateSlots? slots = null)
    {
        Version++;
        for (int i = 0; i < (slots?.Count ?? Batch); i++)
        {
            int more = segments is null ? length : segments.Offsets[i + 1] - segments.Offsets[i];
            ref long position = ref _positions[slots is null ? i : slots.Rows[i]];
            position = Math.Min(position, long.MaxValue - more) + more;
        }
    }

    /// <summary>Overwrites the positions.</summary>
    internal void SetPositions(ReadOnlySpan<long> positions)
    {
        positions.CopyTo(_positions);
        Version++;
    }

    /// <summary>Adopts the arrays of other layers: all of them, or none if memory does not suffice.</summary>
    internal void TakeFrom(LayerState[] others)
    {
        if (_layers.Length > 0)
        {
            using DeviceScope scope = _layers[0].Device.Scope();
            LayerState.TakeAll(_layers, others);
        }
    }

    /// <summary>
    /// Sets whether the model restores all layers after a failed step, so that layers need not do it.
    /// </summary>
    internal void SetGuarded(bool isGuarded)
    {
        foreach (LayerState layer in _layers)
        {
            layer.IsGuarded = isGuarded;
            layer.IsChanged &= !isGuarded;
        }
    }

    /// <summary>Reserves room for tokens in layers that store them; the contents stay the same.</summary>
    internal void Reserve(int length, StateSlots? slots = null)
    {
        foreach (LayerState layer in _layers)
        {
            layer.Reserve(length, null, slots);
        }
    }

    /// <summary>Prepares the memory that a step of the layers changes in place.</summary>
    internal void PrepareStep(ReadOnlySpan<ResidualBlock> blocks, StateSlots? slots)
    {
        for (int i = 0; i < _layers.Length; i++)
        {
            _layers[i].BeginWith(blocks[i].Mixer);
            _layers[i].PrepareStep(slots);
        }
    }

    /// <summary>
    /// Restores the contents from before a failed step. Without a copy they are lost, if a layer has already changed.
    /// </summary>
    internal void Restore(ModelState? before, StateSlots? slots)
    {
        if (!Array.Exists(_layers, layer => layer.IsChanged))
        {
            return;
        }

        for (int i = 0; i < _layers.Length; i++)
        {
            _layers[i].Restore(before?._layers[i], slots);
        }
    }

    private void Exit(int count, bool isRead)
    {
        for (int i = 0; i < count; i++)
        {
            _layers[i].Exit(isRead);
        }
    }

    private void FreeRecorded()
    {
        foreach (RecordedStep recorded in Interlocked.Exchange(ref _recorded, []))
        {
            recorded.Dispose();
        }
    }

    private void RequireSameModel(ModelState other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (other.Kind != Kind)
        {
            throw new ArgumentException(
                $"The states belong to different models: this one to {Kind}; the other one to {other.Kind}.",
                nameof(other));
        }
    }
}
