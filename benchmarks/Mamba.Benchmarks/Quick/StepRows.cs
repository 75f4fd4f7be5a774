using Mamba.Benchmarks.Plain;
using Mamba.Cpu;
using Mamba.Layers;

namespace Mamba.Benchmarks.Quick;

/// <summary>
/// A step of small models on one thread, for use in a control loop or a game: Mamba-1 mixers in residual blocks, 16
/// states, without a head.
/// </summary>
internal static class StepRows
{
    public static IEnumerable<QuickRow> All =>
    [
        Row(64, 2, 12),
        Row(128, 3, 40),
        Row(256, 4, 290),
        Row(512, 6, 1700),
        new("step of 2 mamba-1 layers D64, plain C#", "µs", _ => PlainMicroseconds(64, 2)) { LowerIsBetter = true },
    ];

    private static QuickRow Row(int dim, int layers, double goal) =>
        new($"step of {layers} mamba-1 layers D{dim}, one thread", "µs", _ => Microseconds(dim, layers))
        {
            Goal = goal,
            LowerIsBetter = true,
        };

    private static double Microseconds(int dim, int layers)
    {
        using CpuDevice device = new(threads: 1);
        using SmallModel model = new(device, new MambaMixerOptions { ModelDim = dim }, layers);
        return 1e6 * Timing.Seconds(model.Step);
    }

    private static double PlainMicroseconds(int dim, int layers)
    {
        using CpuDevice device = new(threads: 1);
        using SmallModel model = new(device, new MambaMixerOptions { ModelDim = dim }, layers);
        return 1e6 * Timing.Seconds(new PlainStack(model).Step);
    }
}
