using Mamba.Autograd;
using Mamba.Benchmarks.Problems;
using Mamba.Devices;
using Mamba.Kernels;
using Mamba.Simd;

namespace Mamba.Benchmarks.Quick;

/// <summary>Whether the device chooses the right route for every length of an SSD.</summary>
internal static unsafe class SsdRouteRows
{
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(0.5); // of each length

    /// <summary>Without 1, for which there is no choice: what its call costs beside, the rows of steps have.</summary>
    private static readonly int[] Lengths = [2, 4, 8, 16, 32, 64, 128, 256];

    public static IEnumerable<QuickRow> All =>
    [
        // Where the device goes token by token itself, medians of equal work differ by that much.
        new("ssd forward / token by token, worst of L2..256", "ratio", _ => Lengths.Max(Ratio))
        {
            Goal = 1.05,
            LowerIsBetter = true,
        },
    ];

    private static double Ratio(int length)
    {
        using CpuDevice device = new();
        using Workers workers = new(device.Threads);
        SsdInputs inputs = SsdProblem.Core(device, length);
        DeviceArray h = device.Zeros([SsdProblem.Heads, SsdProblem.HeadDim, SsdProblem.States]);
        DeviceArray y = device.Zeros(inputs.X.Shape);
        TokenByToken job = new()
        {
            Operands = new()
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
            },
            Length = length,
            H = RowsOf(h).Origin,
            Y = RowsOf(y),
        };
        TokenByToken* work = &job;
        return Timing.InTurns(Chosen, () => workers.Run(&RunHead, work, SsdProblem.Heads), Budget).Ratio;

        void Chosen()
        {
            using DeviceScope scope = device.Scope();
            Functions.Ssd(inputs);
        }
    }

    private static void RunHead(void* job, int head)
    {
        TokenByToken work = *(TokenByToken*)job;
        int size = SsdProblem.HeadDim * SsdProblem.States;
        float* h = work.H + ((nint)head * size);
        new Span<float>(h, size).Clear();
        SsdSequential.Run(work.Operands.At(0, head), work.Length, h, work.Y.At(0, head * SsdProblem.HeadDim));
    }

    private static Rows RowsOf(DeviceArray array) => new(((CpuStorage)array.Storage).Pointer, array.Pitch);

    private struct TokenByToken
    {
        public SsdOperands Operands;
        public int Length;
        public float* H;
        public Rows Y;
    }
}
