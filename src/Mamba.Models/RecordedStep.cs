using Mamba.Devices;

namespace Mamba.Models;

/// <summary>
/// A model's step over one state, on a device that records: done once as it is, then taken down, and from then on
/// started as a whole.
/// </summary>
internal sealed class RecordedStep : IDisposable
{
    private readonly Device _device;
    private readonly DeviceArray _logits;
    private readonly DeviceArray _idMemory;
    private readonly Func<IndexArray, DeviceArray> _step;
    private readonly int _classes;
    private IndexArray _ids;
    private Recording? _recording;
    private long _voidedCount = -1;
    private bool _isRefused;

    /// <summary>Makes room for what goes in and what comes out.</summary>
    /// <param name="device">Where the model lives.</param>
    /// <param name="batch">Number of texts.</param>
    /// <param name="classes">Number of logits of each.</param>
    /// <param name="step">Computes the logits of tokens, in a scope that has begun, and moves the state on.</param>
    public RecordedStep(Device device, int batch, int classes, Func<IndexArray, DeviceArray> step)
    {
        (_device, _classes, _step) = (device, classes, step);
        _logits = device.AllocateOwned([batch, 1, classes]);
        _idMemory = device.AllocateOwned([batch]);
        _ids = new(_idMemory.Storage, new int[batch]);
    }

    /// <summary>Computes a step.</summary>
    /// <param name="ids">One token a text.</param>
    /// <param name="logits">Receives the logits.</param>
    public void Run(ReadOnlySpan<int> ids, Span<float> logits)
    {
        _ids = _device.Update(_ids, ids);
        Device.RequireIndices(_ids, _classes);
        if (_voidedCount != _device.VoidedCount)
        {
            // The first time, or memory that the recording knows may be another's now, or the model is another.
            _recording?.Dispose();
            _recording = null;
            Compute();
            _voidedCount = _device.VoidedCount;
        }
        else if (!_isRefused && (_recording ??= _device.TryRecord(Compute)) is { } recording)
        {
            recording.Replay();
        }
        else
        {
            _isRefused = true;
            Compute();
        }

        _logits.CopyTo(logits);
    }

    public void Dispose()
    {
        _recording?.Dispose();
        _device.Free(_logits);
        _device.Free(_idMemory);
    }

    private void Compute()
    {
        using DeviceScope scope = _device.Scope();
        _device.Copy(_step(_ids), _logits);
    }
}
