using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Models;

/// <summary>
/// A model's step over one state, on a device that records: computed once as it is, then captured, and from then on
/// replayed as a whole.
/// </summary>
internal sealed class RecordedStep : IDisposable
{
    private readonly Device _device;
    private readonly ModelState _state;
    private readonly DeviceArray _logits;
    private readonly DeviceArray _idMemory;
    private readonly Func<IndexArray, DeviceArray> _step;
    private IndexArray _ids;
    private Recording? _recording;
    private long _voidedCount = -1;
    private bool _isRefused;

    /// <summary>Makes room for what goes in and what comes out.</summary>
    /// <param name="model">The model whose weights the capture knows.</param>
    /// <param name="state">The state that the capture knows.</param>
    /// <param name="step">Computes the logits of tokens, in a scope that has begun, and moves the state on.</param>
    public RecordedStep(MambaLanguageModel model, ModelState state, Func<IndexArray, DeviceArray> step)
    {
        (Model, _device, _state, _step) = (model, model.Device, state, step);
        _logits = _device.AllocateOwned([state.Batch, 1, model.Config.PaddedVocabularySize]);
        _idMemory = _device.AllocateOwned([state.Batch]);
        _ids = new(_idMemory.Storage, new int[state.Batch]);
    }

    /// <summary>The model; another one of the same kind has other weights.</summary>
    public MambaLanguageModel Model { get; }

    /// <summary>Computes a step, in a scope of the device.</summary>
    /// <param name="ids">One token a text.</param>
    /// <param name="logits">Receives the logits.</param>
    public void Run(ReadOnlySpan<int> ids, Span<float> logits)
    {
        _ids = _device.Update(_ids, ids);
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
    }

    /// <param name="isSafe">
    /// Whether the device's pool has all memory; if not, the state is put back should there be too little.
    /// </param>
    private void Compute(bool isSafe)
    {
        using ModelStepGuard guard = new(_state, isSafe);
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
        _device.Copy(_step(_ids), _logits);
    }
}
