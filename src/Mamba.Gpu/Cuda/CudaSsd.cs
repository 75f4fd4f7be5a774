using System.Runtime.InteropServices;

namespace Mamba.Gpu.Cuda;

/// <summary>The kernels of the SSD, whose algorithm <c>Ssd.cuh</c> describes, for heads of one size.</summary>
internal sealed class CudaSsd
{
    /// <summary>Tokens of a chunk.</summary>
    public const int ChunkLength = 128;

    /// <summary>
    /// Chunks of a span, which one group of threads computes in sequence: 4,096 tokens. It does not depend on the
    /// batch, so the bits of a sequence do not either.
    /// </summary>
    public const int SpanLength = 32;

    /// <summary>Threads of a group, except in <see cref="States"/>.</summary>
    public const int Threads = 256;

    /// <summary>Heads of a group of <see cref="Steps"/>.</summary>
    public const int StepHeads = 32;

    public static readonly CudaFunction Steps = new("Ssd", "ssdSteps");
    public static readonly CudaFunction Spans = new("Ssd", "ssdSpans");
    public static readonly CudaFunction Carry = new("Ssd", "ssdCarry");

    private const int PartLength = 32, Stages = 4; // of ssdStates

    private static readonly CudaSsd[] _all =
    [
        new(64, 64, heads: 2, threadsOfOne: 128),
        new(64, 128, heads: 2, threadsOfOne: 256),
        new(64, 256, heads: 1),
        new(128, 64, heads: 1),
        new(128, 128, heads: 1),
    ];

    private readonly (int HeadDim, int States) _size;
    private readonly (CudaFunction Kernel, int Threads, int Heads) _several;
    private readonly (CudaFunction Kernel, int Threads, int Heads) _one;

    private CudaSsd(int headDim, int states, int heads, int threadsOfOne = 0)
    {
        _size = (headDim, states);
        string file = $"Ssd{headDim}x{states}";
        _several = (new(file, "ssdStates", StateBytes(heads)), Threads, heads);
        _one = threadsOfOne > 0 ? (new(file, "ssdStatesOne", StateBytes(1)), threadsOfOne, 1) : _several;
        int rows = ChunkLength * headDim * sizeof(ushort), state = headDim * states * sizeof(ushort);
        int head = (2 * rows) + state + (3 * ChunkLength * sizeof(float)), ofB = ChunkLength * states * sizeof(ushort);
        Scan = new(file, "ssdScan", 2 * Math.Max(head, ofB));
    }

    /// <summary>The outputs.</summary>
    public CudaFunction Scan { get; }

    /// <summary>The kernels for heads of a size; null if there are none.</summary>
    public static CudaSsd? For(int headDim, int states) => Array.Find(_all, one => one._size == (headDim, states));

    /// <summary>The kernel of the states before chunks, the threads of a group and their heads.</summary>
    /// <param name="heads">Number of heads that share B and C.</param>
    public (CudaFunction Kernel, int Threads, int Heads) States(int heads) =>
        heads % _several.Heads == 0 ? _several : _one;

    private int StateBytes(int heads) =>
        Stages * PartLength * ((((heads * _size.HeadDim) + _size.States) * sizeof(ushort)) + (heads * sizeof(float)));
}

/// <summary>The arguments of all kernels of an SSD, as <c>Ssd</c> of <c>Ssd.cuh</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaSsdArguments
{
    public CudaRows X;
    public CudaRows Z;
    public CudaRows B;
    public CudaRows C;
    public CudaRows Y;
    public CudaRows Delta;
    public CudaRows LogDecay;
    public CudaRows Diagonal;
    public CudaRows Bias;
    public CudaRows A;
    public CudaRows D;
    public nint InitialState;
    public nint FinalState;
    public nint Chunks;
    public nint Spans;
    public nint Step;
    public nint Own;
    public nint Local;
    public nint ToEnd;
    public nint Decay;
    public nint Before;
    public nint Ends;
    public int Heads;
    public int HeadDim;
    public int States;
    public int Groups;
    public int HeadsOfBlock;
    public int Softplus;
    public int IsALog;
    public int HasChannelD;
    public float Least;
    public float Greatest;
}
