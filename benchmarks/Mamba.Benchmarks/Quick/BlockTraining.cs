using Mamba.Autograd;
using Mamba.Benchmarks.Problems;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Benchmarks.Quick;

/// <summary>A training step of one mixer, batch 4, length 512, width 256: forward and backward.</summary>
internal sealed class BlockTraining : IDisposable
{
    public const int Batch = 4, Length = 512, Dim = 256;

    private readonly SequenceMixer _mixer;
    private readonly DeviceArray _x;

    public BlockTraining(MixerOptions options, int? threads = null)
    {
        Device = new(threads);
        _mixer = options.Create(Device, new Random(1), 1);
        _x = Seeded.Array(Device, [Batch, Length, Dim], -1, 1);
    }

    public static MixerOptions Mamba1 { get; } = new MambaMixerOptions { ModelDim = Dim };

    public static MixerOptions Mamba2 { get; } = new Mamba2MixerOptions { ModelDim = Dim, StateDim = 64 };

    public CpuDevice Device { get; }

    public void Step()
    {
        using DeviceScope scope = Device.Scope();
        using Tape tape = new(Device);
        tape.Watch(_x);
        tape.Backward((_mixer.Forward(_x), _x));
    }

    public void Dispose()
    {
        _mixer.Dispose();
        Device.Dispose();
    }
}
