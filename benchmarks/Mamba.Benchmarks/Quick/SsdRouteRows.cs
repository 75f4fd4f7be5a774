using Mamba.Autograd;
using Mamba.Benchmarks.Problems;
using Mamba.Cpu;
using Mamba.Kernels;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Simd;

namespace Mamba.Benchmarks.Quick;

/// <summary>Whether the device chooses the faster route of an SSD for every length.</summary>
internal static unsafe class SsdRouteRows
{
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(0.5); // for each length
    private static readonly int[] Lengths = [1, 2, 4, 8, 16, 32, 64, 128, 256];

    public static IEnumerable<QuickRow> All =>
    [
        // If the device chooses token by token, too, medians of the same work differ by up to 1.05.
        new("ssd forward / token by token, one thread, worst of L1..256", "ratio", _ => Lengths.Max(Ratio))
        {
            Goal = 1.05,
            LowerIsBetter = true,
        },
    ];

    private static double Ratio(int length)
    {
        // One thread: with several, dispatch of work of some microseconds varies more than the routes differ.
        using CpuDevice device = new(threads: 1);
        using Workers workers = new(device.Threads);
        SsdInputs inputs = SsdProblem.Core(device, length);
        return Timing.Alternating(Chosen, TokenByToken, Budget).Ratio;

        void Chosen()
        {
            using DeviceScope scope = device.Scope();
            Functions.Ssd(inputs);
        }

        void TokenByToken()
        {
            // Same memory as the other route: a state nearly fills the L2 cache, so its address affects the time.
            using DeviceScope scope = device.Scope();
            DeviceArray y = device.Allocate(inputs.X.Shape);
            DeviceArray h = device.Allocate([1, SsdProblem.Heads, SsdProblem.HeadDim, SsdProblem.States]);
            Sequence work = new()
            {
                Operands = OperandsOf(inputs), Length = length, H = RowsOf(h).Origin, Y = RowsOf(y),
            };
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
