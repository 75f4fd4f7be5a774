using System.Runtime.InteropServices;

namespace Mamba.Gpu.Cuda;

/// <summary>The kernels of <c>Scan.cu</c>, and what they take.</summary>
internal static class CudaScan
{
    /// <summary>Channels of a group of threads.</summary>
    public const int Lanes = 128;

    /// <summary>Threads that share a channel's states.</summary>
    public const int Slots = 2;

    /// <summary>States of a channel, all that the kernels take.</summary>
    public const int States = 16;

    private const string File = "Scan";

    /// <summary>Tokens of a tile times channels times bytes, the unit of the backward pass's shared memory.</summary>
    private const int Plane = 16 * Lanes * sizeof(float);

    // Δ and Δ·x, the gradient of y, A, g and the gradient of A, and three parts: nine planes; B and C; their sums.
    private const int BackwardBytes = (9 * Plane) + (16 * 2 * States * sizeof(float) * (1 + (Lanes / 32)));

    public static readonly CudaFunction ForwardExact = new(File, "scan_forward_exact");
    public static readonly CudaFunction Forward = new(File, "scan_forward");
    public static readonly CudaFunction SummaryExact = new(File, "scan_summary_exact");
    public static readonly CudaFunction Summary = new(File, "scan_summary");
    public static readonly CudaFunction BackwardExact = new(File, "scan_backward_exact", BackwardBytes);
    public static readonly CudaFunction Backward = new(File, "scan_backward", BackwardBytes);
}

/// <summary>The inputs of a scan, as <c>Scan</c> of <c>Scan.cu</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaScanInputs
{
    public CudaRows X;
    public CudaRows Delta;
    public CudaRows Z;
    public CudaRows B;
    public CudaRows C;
    public CudaRows A;
    public CudaRows D;
    public CudaRows Bias;
    public CudaSequences Sequences;
    public int Channels;
    public int Groups;
    public int Tiles;
    public int Softplus;
    public int IsALog;

    /// <summary>Number of groups of threads.</summary>
    public readonly int Blocks => checked(Sequences.Count * Groups * Tiles);
}

/// <summary>The arguments of a forward pass, as <c>ScanForward</c> of <c>Scan.cu</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaScanForward
{
    public CudaScanInputs Inputs;
    public CudaRows Y;
    public nint InitialState;
    public nint FinalState;
    public nint Checkpoints;

    /// <summary>Sum of Δ for every sequence and channel, of a summary.</summary>
    public nint Steps;
}

/// <summary>The arguments of a backward pass, as <c>ScanBackward</c> of <c>Scan.cu</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaScanBackward
{
    public CudaScanInputs Inputs;
    public nint Checkpoints;
    public CudaRows Y;
    public nint FinalState;
    public CudaRows X;
    public CudaRows Delta;
    public CudaRows Z;
    public nint InitialState;
    public nint A;
    public nint B;
    public nint C;
    public nint D;
    public nint Bias;
    public long Tokens;
}
