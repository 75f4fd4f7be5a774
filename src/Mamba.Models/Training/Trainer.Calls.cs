using System.Runtime.CompilerServices;

namespace Mamba.Models.Training;

/// <content>Refuses calls that a trainer's state does not allow.</content>
public sealed partial class Trainer
{
    private string? _call;
    private bool _isRestored;
    private bool _isDisposed;

    /// <summary>
    /// Begins a call of <see cref="Run"/>, <see cref="Resume"/> or <see cref="Restore"/>, which excludes the others
    /// until it is disposed. Otherwise a callback could restore other weights during a run.
    /// </summary>
    private Call Begin([CallerMemberName] string name = "")
    {
        RequireNotDisposed();
        if (_call is not null)
        {
            throw new InvalidOperationException(
                $"{name} was called while {_call} of this trainer is in progress, by one of its callbacks; nothing " +
                $"was changed. Call {name} after {_call} has returned.");
        }

        _call = name;
        return new(this);
    }

    private void RequireNotDisposed()
    {
        if (_isDisposed)
        {
            throw new ObjectDisposedException(nameof(Trainer), "This Trainer has been disposed.");
        }
    }

    private void RequireRunning()
    {
        if (_isRestored)
        {
            throw new InvalidOperationException(
                "The module has the weights of a checkpoint, and the optimiser has not. Make a new trainer and " +
                "resume the run.");
        }
    }

    /// <summary>A call in progress.</summary>
    private readonly struct Call(Trainer trainer) : IDisposable
    {
        public void Dispose() => trainer._call = null;
    }
}
