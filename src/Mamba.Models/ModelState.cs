using Mamba.Layers;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Models;

/// <summary>
/// What a model remembers of the texts that it has read: a value, of the same size however long they are, that can be
/// cloned, forked, saved and loaded.
/// </summary>
/// <remarks>
/// A call that fails, for whatever reason, leaves the state as it was. One thread at a time uses a state; another one
/// is refused meanwhile. Several may clone it at once.
/// </remarks>
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

    /// <summary>Tokens read of each text, at most 2^63 - 1: a file may claim as many.</summary>
    public IReadOnlyList<long> Positions => _positions;

    /// <summary>The state of each layer.</summary>
    public IReadOnlyList<LayerState> Layers => _layers;

    /// <summary>What decides the shape and the meaning of the state, in words.</summary>
    internal string Kind { get; }

    /// <summary>Counts the changes: reads, steps, copies and loads.</summary>
    internal long Version { get; private set; }

    /// <summary>Whether a step over every layer's state may be recorded and replayed.</summary>
    internal bool CanRecord { get; }

    /// <summary>Whether so may a step over some slots, of which a recording takes other ones at each replay.</summary>
    internal bool CanRecordSlots { get; }

    /// <summary>Tokens that the layers have room for, as one number: what a step's memory depends on.</summary>
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

    /// <summary>Makes an equal state with memory of its own: a fork of the conversation.</summary>
    /// <returns>The copy; the caller disposes it.</returns>
    /// <exception cref="ObjectDisposedException">The state has been disposed.</exception>
    public ModelState Clone()
    {
        ModelState copy = CreateEmpty(Batch);
        try
        {
            copy.CopyFrom(this);
            return copy;
        }
        catch
        {
            copy.Dispose();
            throw;
        }
    }

    /// <summary>Copies some texts to a state of their own; null: all.</summary>
    internal ModelState Clone(StateSlots? slots)
    {
        if (slots is null)
        {
            return Clone();
        }

        ModelState copy = CreateEmpty(slots.Count);
        try
        {
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

    /// <summary>Takes over what another state remembers of all its texts.</summary>
    /// <param name="other">A state of the same model and number of texts.</param>
    /// <exception cref="ArgumentException">The other state is of another model, device or number of texts.</exception>
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

    /// <summary>Copies one text's memory into a place of this batch.</summary>
    /// <param name="slot">The text here that is overwritten.</param>
    /// <param name="other">A state of the same model.</param>
    /// <param name="otherSlot">The text there.</param>
    /// <exception cref="ArgumentException">
    /// The other state is of another model or device, or a mixer's that cannot hold texts of different lengths.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such text.</exception>
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
            _layers[i].ReserveFor(other._layers[i], otherSlot); // all that may fail comes first
        }

        for (int i = 0; i < _layers.Length; i++)
        {
            _layers[i].CopySlot(slot, other._layers[i], otherSlot);
        }

        _positions[slot] = other._positions[otherSlot];
        Version++;
    }

    /// <summary>Lets gradients no longer flow to what came before, as truncated back-propagation does.</summary>
    public void Detach()
    {
        using ModelStateUse use = new(this);
        foreach (LayerState layer in _layers)
        {
            layer.Detach();
        }
    }

    /// <summary>
    /// Writes the state: format, version, kind of model, positions, arrays, and a checksum of them all.
    /// </summary>
    /// <param name="stream">Where to.</param>
    /// <exception cref="ObjectDisposedException">The state has been disposed; nothing is written.</exception>
    public void Save(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using ModelStateUse use = new(this);
        StateFile.Write(this, stream);
    }

    /// <summary>Reads a state that was saved of a model of the same kind. On failure this one stays as it is.</summary>
    /// <param name="stream">Where from.</param>
    /// <exception cref="InvalidDataException">
    /// The data are no state, of another version, model or batch, cut off, or damaged.
    /// </exception>
    public void Load(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using ModelStateUse use = new(this);
        StateFile.Read(this, stream);
    }

    /// <summary>Frees the memory; if another thread uses the state, when that is done.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        FreeRecorded();
        foreach (LayerState layer in _layers)
        {
            layer.Dispose();
        }
    }

    /// <summary>Frees memory that no recording knows, so that all stay valid.</summary>
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

    /// <summary>Begins a use of the calling thread, of all layers or, if one is in use, of none.</summary>
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
            FreeRecorded(); // a step has made it while another thread disposed the state
        }
    }

    /// <summary>Frees the memory when the device is next used; for a finalizer, which no thread waits for.</summary>
    internal void Abandon()
    {
        if (_layers.Length > 0)
        {
            _layers[0].Device.Defer(Dispose);
        }
    }

    /// <summary>A state of the same kind with contents that are not set.</summary>
    internal ModelState CreateEmpty(int batch) =>
        new(CreateLayers(_layers, layer => layer.CreateEmpty(batch)), batch, Kind);

    /// <summary>The recorded step of a model over some texts; null if there is none.</summary>
    internal RecordedStep? RecordedOf(MambaLanguageModel model, StateSlots? slots)
    {
        foreach (RecordedStep recorded in _recorded)
        {
            if (recorded.Model == model && recorded.Fits(slots))
            {
                return recorded;
            }
        }

        return null;
    }

    /// <summary>Keeps a recorded step, and frees those of other models.</summary>
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

    /// <summary>Makes the states of layers; if one cannot be made, those before it are freed.</summary>
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

    /// <summary>Throws unless all layers can be read and stepped over.</summary>
    internal void RequireUsable()
    {
        foreach (LayerState layer in _layers)
        {
            layer.RequireUsable();
        }
    }

    /// <summary>Counts tokens that were read.</summary>
    /// <param name="length">Tokens of every text, unless they are packed.</param>
    /// <param name="segments">Packed texts, of a length each.</param>
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

    /// <summary>Sets the numbers of tokens that were read.</summary>
    internal void SetPositions(ReadOnlySpan<long> positions)
    {
        positions.CopyTo(_positions);
        Version++;
    }

    /// <summary>Takes over the arrays of other layers: all of them, or none if memory does not suffice.</summary>
    internal void TakeFrom(LayerState[] others)
    {
        if (_layers.Length > 0)
        {
            using DeviceScope scope = _layers[0].Device.Scope();
            LayerState.TakeAll(_layers, others);
        }
    }

    /// <summary>
    /// Says whether somebody puts all layers back if a step fails, so that they need not do it themselves.
    /// </summary>
    internal void SetGuarded(bool isGuarded)
    {
        foreach (LayerState layer in _layers)
        {
            layer.IsGuarded = isGuarded;
            layer.IsChanged &= !isGuarded;
        }
    }

    /// <summary>Makes room for tokens that layers hold one by one; the state stays as it was.</summary>
    internal void Reserve(int length, StateSlots? slots = null)
    {
        foreach (LayerState layer in _layers)
        {
            layer.Reserve(length, null, slots);
        }
    }

    /// <summary>Prepares what a step of some layers changes in place.</summary>
    internal void PrepareStep(ReadOnlySpan<ResidualBlock> blocks, StateSlots? slots)
    {
        for (int i = 0; i < _layers.Length; i++)
        {
            _layers[i].BeginWith(blocks[i].Mixer);
            _layers[i].PrepareStep(slots);
        }
    }

    /// <summary>
    /// Puts back what was remembered before a step that failed; null: it is lost, if a layer has changed already.
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
