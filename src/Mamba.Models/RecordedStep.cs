using Mamba.Devices;
using Mamba.Memory;
using Mamba.Models.Generation;
using Mamba.Operations;

namespace Mamba.Models;

/// <summary>
/// A model's step over one state, on a device that can capture graphs. The first step runs normally, the next one is
/// captured, and later ones replay the graph. A graph for slots has a fixed number of them; their indices are copied to
/// the device before each replay. A greedy graph ends with the likeliest tokens instead of the logits, so that a step
/// copies eight bytes a text to the host.
/// </summary>
internal sealed class RecordedStep : IDisposable
{
    private readonly Device _device;
    private readonly ModelState _state;
    private readonly DeviceArray _result;
    private readonly float[] _found;
    private readonly DeviceArray _idMemory;
    private readonly DeviceArray _rowMemory;
    private readonly StateSlots? _slots;
    private readonly Func<IndexArray, StateSlots?, DeviceArray> _step;
    private IndexArray _ids;
    private IndexArray _rows;
    private Recording? _recording;
    private long _voidedCount = -1;
    private bool _isRefused;

    /// <summary>Allocates the memory of inputs and outputs.</summary>
    /// <param name="model">The model whose weights the graph refers to.</param>
    /// <param name="state">The state that the graph refers to.</param>
    /// <param name="slots">The texts of the first step, whose number is fixed; null: all texts of the state.</param>
    /// <param name="isGreedy">Whether the step finds the likeliest tokens; if not, it gives the logits.</param>
    /// <param name="step">Computes the logits of tokens in an open scope, and updates the state.</param>
    public RecordedStep(
        MambaLanguageModel model,
        ModelState state,
        StateSlots? slots,
        bool isGreedy,
        Func<IndexArray, StateSlots?, DeviceArray> step)
    {
        (Model, _device, _state, IsGreedy, _step) = (model, model.Device, state, isGreedy, step);
        int count = slots?.Count ?? state.Batch;
        _found = new float[isGreedy ? 2 * count : 0];
        _result = _device.AllocateOwned(isGreedy ? [2, count] : [count, 1, model.Config.PaddedVocabularySize]);
        _idMemory = _device.AllocateOwned([count]);
        _ids = new(_idMemory.Storage, new int[count]);
        if (slots is not null)
        {
            _slots = StateSlots.OfRecording(count);
            _rowMemory = _device.AllocateOwned([count]);
            _rows = new(_rowMemory.Storage, new int[count]);
        }
    }

    /// <summary>The model. Another model of the same kind needs its own graph, because its weights differ.</summary>
    public MambaLanguageModel Model { get; }

    /// <summary>Whether the step finds the likeliest tokens; if not, it gives the logits.</summary>
    public bool IsGreedy { get; }

    /// <summary>Whether the step covers all texts, or the same number of slots, and gives what is wanted.</summary>
    public bool Fits(StateSlots? slots, bool isGreedy) => slots?.Count == _slots?.Count && isGreedy == IsGreedy;

    /// <summary>Computes a step. Requires an open scope of the device.</summary>
    /// <param name="ids">One token per text.</param>
    /// <param name="slots">The texts; null: all.</param>
    public void Run(ReadOnlySpan<int> ids, StateSlots? slots)
    {
        _ids = _device.Update(_ids, ids);
        if (slots is not null)
        {
            _rows = _device.Update(_rows, slots.Rows);
            _slots!.Set(slots.Rows, _rows);
        }

        if (_voidedCount != _device.VoidedCount)
        {
            // This is the first step, or the recording is invalid: its memory may have been reused or a part of the
            // model replaced.
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
    }

    /// <summary>Copies the logits of the last step to the host.</summary>
    public void CopyTo(Span<float> logits) => _result.CopyTo(logits);

    /// <summary>Copies the likeliest tokens of the last step to the host.</summary>
    public void CopyTo(Span<Likeliest> likeliest) => Likeliest.CopyTo(_result, _found, likeliest);

    public void Dispose()
    {
        _recording?.Dispose();
        _device.Release(_result);
        _device.Release(_idMemory);
        if (_rowMemory.Exists)
        {
            _device.Release(_rowMemory);
        }
    }

    /// <param name="isSafe">
    /// Whether the device's pool has all the memory that the step needs. If not, the guard restores the state when
    /// memory runs out.
    /// </param>
    private void Compute(bool isSafe)
    {
        using ModelStepGuard guard = new(_state, isSafe, _slots);
        Compute();
        guard.Done();
    }

    /// <summary>
    /// The work to capture. Layers must not clone their states, because every replay would repeat that.
    /// </summary>
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
        DeviceArray logits = _step(_ids, _slots);
        if (IsGreedy)
        {
            Likeliest.Find(logits, Model.Config.VocabularySize, _result);
        }
        else
        {
            _device.Copy(logits, _result);
        }
    }
}
