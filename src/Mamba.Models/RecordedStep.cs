using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Models;

/// <summary>
/// A model's step over one state, on a device that records: computed once as it is, then captured, and from then on
/// replayed as a whole. A step over slots is recorded for a number of them; which ones is copied to the device before
/// each replay.
/// </summary>
internal sealed class RecordedStep : IDisposable
{
    private readonly Device _device;
    private readonly ModelState _state;
    private readonly DeviceArray _logits;
    private readonly DeviceArray _idMemory;
    private readonly DeviceArray _rowMemory;
    private readonly StateSlots? _slots;
    private readonly Func<IndexArray, StateSlots?, DeviceArray> _step;
    private IndexArray _ids;
    private IndexArray _rows;
    private Recording? _recording;
    private long _voidedCount = -1;
    private bool _isRefused;

    /// <summary>Makes room for what goes in and what comes out.</summary>
    /// <param name="model">The model whose weights the capture knows.</param>
    /// <param name="state">The state that the capture knows.</param>
    /// <param name="slots">Which texts it is for, or as many others; null: all of the state.</param>
    /// <param name="step">Computes the logits of tokens, in a scope that has begun, and moves the state on.</param>
    public RecordedStep(
        MambaLanguageModel model,
        ModelState state,
        StateSlots? slots,
        Func<IndexArray, StateSlots?, DeviceArray> step)
    {
        (Model, _device, _state, _step) = (model, model.Device, state, step);
        int count = slots?.Count ?? state.Batch;
        _logits = _device.AllocateOwned([count, 1, model.Config.PaddedVocabularySize]);
        _idMemory = _device.AllocateOwned([count]);
        _ids = new(_idMemory.Storage, new int[count]);
        if (slots is not null)
        {
            _slots = StateSlots.OfRecording(count);
            _rowMemory = _device.AllocateOwned([count]);
            _rows = new(_rowMemory.Storage, new int[count]);
        }
    }

    /// <summary>The model; another one of the same kind has other weights.</summary>
    public MambaLanguageModel Model { get; }

    /// <summary>Whether it is a step over all texts, or over as many as there are slots.</summary>
    public bool Fits(StateSlots? slots) => slots?.Count == _slots?.Count;

    /// <summary>Computes a step, in a scope of the device.</summary>
    /// <param name="ids">One token a text.</param>
    /// <param name="slots">The texts; null: all.</param>
    /// <param name="logits">Receives the logits.</param>
    public void Run(ReadOnlySpan<int> ids, StateSlots? slots, Span<float> logits)
    {
        _ids = _device.Update(_ids, ids);
        if (slots is not null)
        {
            _rows = _device.Update(_rows, slots.Rows);
            _slots!.Set(slots.Rows, _rows);
        }

        if (_voidedCount != _device.VoidedCount)
        {
            // The first time, or memory that the recording knows may be another's now, or the model is another.
            _recording?.Dispose();
            _recording = null;
            Compute(isSafe: false);
            _voidedCount = _device.VoidedCount;
        }
        else if (!_isRefused && (_recording ??= _device.TryRecord(ComputeForCapture)) is { } recording)
        {
            recording.Replay();
        }
        else
        {
            _isRefused = true;
            Compute(isSafe: true);
        }

        _logits.CopyTo(logits);
    }

    public void Dispose()
    {
        _recording?.Dispose();
        _device.Release(_logits);
        _device.Release(_idMemory);
        if (_rowMemory.Exists)
        {
            _device.Release(_rowMemory);
        }
    }

    /// <param name="isSafe">
    /// Whether the device's pool has all memory; if not, the state is put back should there be too little.
    /// </param>
    private void Compute(bool isSafe)
    {
        using ModelStepGuard guard = new(_state, isSafe, _slots);
        Compute();
        guard.Done();
    }

    /// <summary>Does not run: no layer may clone its state, which every replay would repeat.</summary>
    private void ComputeForCapture()
    {
        _state.SetGuarded(true);
        try
        {
            Compute();
        }
        finally
        {
            _state.SetGuarded(false);
        }
    }

    private void Compute()
    {
        using DeviceScope scope = _device.Scope();
        _device.Copy(_step(_ids, _slots), _logits);
    }
}
