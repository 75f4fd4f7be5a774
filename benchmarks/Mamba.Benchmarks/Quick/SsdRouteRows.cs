using Mamba.Autograd;
using Mamba.Benchmarks.Problems;
using Mamba.Cpu;
using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Benchmarks.Quick;

/// <summary>Whether the device chooses the right route for every length of an SSD.</summary>
internal static unsafe class SsdRouteRows
{
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(0.5); // of each length
    private static readonly int[] Lengths = [1, 2, 4, 8, 16, 32, 64, 128, 256];

    public static IEnumerable<QuickRow> All =>
    [
        // Where the device goes token by token itself, medians of equal work differ by that much.
        new("ssd forward / token by token, one thread, worst of L1..256", "ratio", _ => Lengths.Max(Ratio))
        {
            Goal = 1.05,
            LowerIsBetter = true,
        },
    ];

    private static double Ratio(int length)
    {
        // With several threads, handing out work of some microseconds differs more from run to run than the routes do.
        using CpuDevice device = new(threads: 1);
        using Workers workers = new(device.Threads);
        SsdInputs inputs = SsdProblem.Core(device, length);
        return Timing.InTurns(Chosen, TokenByToken, Budget).Ratio;

        void Chosen()
        {
            using DeviceScope scope = device.Scope();
            Functions.Ssd(inputs);
        }

        void TokenByToken()
        {
            // In the same memory: a state nearly fills the L2 cache, so its place alone makes a difference.
            using DeviceScope scope = device.Scope();
            DeviceArray y = device.Allocate(inputs.X.Shape);
            DeviceArray h = device.Allocate([1, SsdProblem.Heads, SsdProblem.HeadDim, SsdProblem.States]);
            Sequence work = new() { Operands = OperandsOf(inputs), Length = length, H = RowsOf(h).Origin, Y = RowsOf(y) };
            workers.Run(&RunHead, &work, SsdProblem.Heads);
        }
    }

    private static SsdOperands OperandsOf(in SsdInputs inputs) => new()
    {
        X = RowsOf(inputs.X),
        Delta = RowsOf(inputs.Delta),
        A = RowsOf(inputs.A).Origin,
        B = RowsOf(inputs.B),
        C = RowsOf(inputs.C),
        HeadDim = SsdProblem.HeadDim,
        States = SsdProblem.States,
        HeadsPerGroup = SsdProblem.Heads,
        DeltaMax = float.PositiveInfinity,
    };

    private static void RunHead(void* job, int head)
    {
        Sequence work = *(Sequence*)job;
        int size = SsdProblem.HeadDim * SsdProblem.States;
        float* h = work.H + ((nint)head * size);
        new Span<float>(h, size).Clear();
        SsdSequential.Run(work.Operands.At(0, head), work.Length, h, work.Y.At(0, head * SsdProblem.HeadDim));
    }

    private static Rows RowsOf(DeviceArray array) => new(((CpuStorage)array.Storage).Pointer, array.Pitch);

    private struct Sequence
    {
        public SsdOperands Operands;
        public int Length;
        public float* H;
        public Rows Y;
    }
}
