using ILGPU.Runtime;
using Mamba.Gpu.Cuda;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Gpu;

/// <content>The SSD of bfloat16 rows by the kernels in CUDA C.</content>
public sealed partial class GpuDevice
{
    /// <summary>
    /// The kernels in CUDA C that take an SSD without checkpoints: bfloat16 rows whose parts of 16 bytes are aligned,
    /// float32 states, and heads of a size that there are kernels for. Null if ILGPU's kernels compute it.
    /// </summary>
    private CudaSsd? CudaSsdOf(in SsdOperation ssd)
    {
        (SsdInputs inputs, SsdSizes sizes) = (ssd.Inputs, ssd.Sizes);
        bool areTaken = HasCudaC && !ssd.Checkpoints.Exists && sizes.Sequences.Slots is null
            && IsInPieces(inputs.X) && IsInPieces(inputs.B) && IsInPieces(inputs.C)
            && (!inputs.Z.Exists || IsInPieces(inputs.Z))
            && (!inputs.InitialState.Exists || inputs.InitialState.Precision == Precision.Float32);
        return areTaken && CudaSsd.For(sizes.HeadDim, sizes.States) is { } kernels
            && kernels.Scan.SharedBytes <= _runtime.Cuda!.MaxSharedBytes
                ? kernels
                : null;
    }

    /// <summary>Whether an array has bfloat16 rows that start at multiples of 16 bytes.</summary>
    private static bool IsInPieces(DeviceArray array)
    {
        const int Piece = 16 / sizeof(ushort);
        return array.Precision == Precision.BFloat16 && array.Offset % Piece == 0 && array.Pitch % Piece == 0;
    }

    /// <summary>Computes the sequences of more than <see cref="ShortLength"/> tokens.</summary>
    private void SsdInCudaC(in SsdOperation ssd, CudaSsd kernels)
    {
        (SsdInputs inputs, SsdSizes sizes) = (ssd.Inputs, ssd.Sizes);
        int[] chunks = ChunkTable(sizes, out int[] spans, out bool hasLong);
        (int count, int heads, int states) = (chunks.Length / 4, sizes.Heads, sizes.States);
        Shape perToken = [count * heads, CudaSsd.ChunkLength];
        DeviceArray step = Allocate(perToken);
        CudaSsdArguments arguments = new()
        {
            X = CudaRowsOf(inputs.X),
            Z = CudaRowsOf(inputs.Z),
            B = CudaRowsOf(inputs.B),
            C = CudaRowsOf(inputs.C),
            Y = CudaRowsOf(ssd.Y),
            Delta = CudaRowsOf(inputs.Weight),
            LogDecay = CudaRowsOf(inputs.LogDecay),
            Diagonal = CudaRowsOf(inputs.DiagonalScale),
            Bias = CudaRowsOf(inputs.DeltaBias),
            A = CudaRowsOf(inputs.GivenA),
            D = CudaRowsOf(inputs.D),
            InitialState = AddressOf(inputs.InitialState),
            FinalState = AddressOf(ssd.FinalState),
            Chunks = IntegersOf(Indices(chunks)).LoadEffectiveAddressAsPtr(),
            Spans = IntegersOf(Indices(spans)).LoadEffectiveAddressAsPtr(),
            Step = AddressOf(step),
            Own = AddressOf(inputs.DiagonalScale.Exists ? Allocate(perToken) : step),
            Local = AddressOf(Allocate(perToken)),
            ToEnd = AddressOf(Allocate(perToken)),
            Decay = AddressOf(Allocate([count * heads])),
            Before = AddressOf(Allocate([count * heads * sizes.HeadDim, states], Precision.BFloat16)),
            Ends = hasLong ? AddressOf(Allocate([spans.Length / 4 * heads * sizes.HeadDim, states])) : 0,
            Heads = heads,
            HeadDim = sizes.HeadDim,
            States = states,
            Groups = sizes.Groups,
            HeadsOfBlock = HeadsOfBlock(count, sizes),
            Softplus = inputs.Softplus ? 1 : 0,
            IsALog = inputs.IsALog ? 1 : 0,
            HasChannelD = sizes.HasChannelD ? 1 : 0,
            Least = inputs.WeightLimits.Least,
            Greatest = inputs.WeightLimits.Greatest,
        };
        Launch(CudaSsd.Steps, arguments, (count, (int)Groups(heads, CudaSsd.StepHeads)), (CudaSsd.Threads, 1));
        (CudaFunction kernel, int threads, int together) = kernels.States(heads / sizes.Groups);
        Launch(kernel, arguments, (checked(spans.Length / 4 * (heads / together)), 1), (threads, 1));
        if (hasLong)
        {
            Launch(CudaSsd.Spans, arguments, (spans.Length / 4, heads), (CudaSsd.Threads, 1));
            Launch(CudaSsd.Carry, arguments, (count, heads), (CudaSsd.Threads, 1));
        }

        int sets = sizes.Groups * (int)Groups(heads / sizes.Groups, arguments.HeadsOfBlock);
        Launch(kernels.Scan, arguments, (checked(count * sets), 1), (CudaSsd.Threads, 1));
    }

    /// <summary>
    /// Heads that share the products of B and C in a group of threads: many, while every multiprocessor has some
    /// groups. The results do not depend on it.
    /// </summary>
    private int HeadsOfBlock(int chunks, in SsdSizes sizes)
    {
        int ofGroup = sizes.Heads / sizes.Groups, groups = 8 * _runtime.Accelerator.NumMultiprocessors;
        return PowerOfTwo(Math.Min(ofGroup, 16), (int)Math.Clamp((long)chunks * sizes.Heads / groups, 1, 16));
    }

    /// <summary>
    /// Cuts the longer sequences into chunks (first token, tokens, sequence, span) and those into spans (first chunk,
    /// chunks, sequence, 1 for the first of a sequence plus 2 for the last).
    /// </summary>
    private static int[] ChunkTable(in SsdSizes sizes, out int[] spans, out bool hasLong)
    {
        List<int> chunks = [], all = [];
        hasLong = false;
        for (int sequence = 0; sequence < sizes.Sequences.Count; sequence++)
        {
            (int start, int tokens) = (sizes.Sequences.Start(sequence), sizes.Sequences.Length(sequence));
            int count = ChunksOf(tokens, CudaSsd.ChunkLength, shorter: false);
            hasLong |= count > CudaSsd.SpanLength;
            for (int i = 0; i < count; i++)
            {
                int first = i * CudaSsd.ChunkLength, left = count - i;
                if (i % CudaSsd.SpanLength == 0)
                {
                    int ends = left <= CudaSsd.SpanLength ? 2 : 0;
                    all.AddRange(
                        chunks.Count / 4, Math.Min(left, CudaSsd.SpanLength), sequence, (i == 0 ? 1 : 0) + ends);
                }

                chunks.AddRange(
                    start + first, Math.Min(CudaSsd.ChunkLength, tokens - first), sequence, (all.Count / 4) - 1);
            }
        }

        spans = [.. all];
        return [.. chunks];
    }
}
