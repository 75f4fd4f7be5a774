using System.Runtime.InteropServices;

namespace Mamba.Gpu.Cuda;

/// <summary>The kernels of <c>Decode.cu</c>, and what they take.</summary>
internal static class CudaDecode
{
    /// <summary>Rows of x of a product, at most.</summary>
    public const int MostRows = 64;

    /// <summary>
    /// Elements that a thread loads at once: the rows of x and W begin at a multiple and consist of them.
    /// </summary>
    public const int Step = 8;

    /// <summary>
    /// Rows of x of a product that normalises them, at most: every group normalises all of them, one after the other.
    /// </summary>
    public const int MostNormedRows = 4;

    /// <summary>Taps of a convolution, at most.</summary>
    public const int MostTaps = 4;

    /// <summary>States of a channel of the scan.</summary>
    public const int States = 16;

    /// <summary>Elements of B, C, Δ's row and the residual stream that a thread loads at once.</summary>
    public const int Quad = 4;

    /// <summary>Threads of a group of the scan; four share a channel.</summary>
    public const int ScanThreads = 128;

    /// <summary>Warps of a group of the SSD's token; each has <see cref="Quad"/> channels.</summary>
    public const int SsdWarps = 4;

    /// <summary>Warps of a group of the gated norm.</summary>
    public const int NormWarps = 8;

    /// <summary>Channels that the gated norm normalises together, at most.</summary>
    public const int MostNormed = 4096;

    /// <summary>Threads that look for the largest number of a row.</summary>
    public const int LargestThreads = 1024;

    /// <summary>The source file; it has a second PTX, for compute capability 9.0.</summary>
    public const string File = "Decode";

    public static readonly CudaFunction NormRows = Named("norm_rows");
    public static readonly CudaFunction ScanStep = Named("scan_step");
    public static readonly CudaFunction SsdStep = Named("ssd_step");
    public static readonly CudaFunction GatedNorm = Named("gated_norm");
    public static readonly CudaFunction Largest = Named("largest");
    public static readonly CudaFunction NormedProduct = Named("normed_product_8");
    public static readonly CudaFunction NormedConvolved = Named("normed_convolved_8");
    public static readonly CudaFunction Product8 = Named("product_8");
    public static readonly CudaFunction Product16 = Named("product_16");
    public static readonly CudaFunction Product32 = Named("product_32");
    public static readonly CudaFunction Product64 = Named("product_64");
    public static readonly CudaFunction Convolved8 = Named("convolved_8");
    public static readonly CudaFunction Convolved16 = Named("convolved_16");
    public static readonly CudaFunction Convolved32 = Named("convolved_32");
    public static readonly CudaFunction Convolved64 = Named("convolved_64");

    /// <summary>Bytes of shared memory that a launch may ask for without preparation.</summary>
    private const int MostSharedBytes = 48 << 10;

    /// <summary>Bytes of the sums of a warp and 8 rows of x: 16 rows of W with padding.</summary>
    private const int TileBytes = 16 * 10 * sizeof(float);

    /// <summary>The kernel of a product.</summary>
    /// <param name="rows">Rows of x, 1 to <see cref="MostRows"/>.</param>
    /// <param name="hasNorm">Whether it normalises x; then at most <see cref="MostNormedRows"/>.</param>
    /// <param name="hasConvolution">Whether it convolves some columns.</param>
    public static CudaFunction ProductOf(int rows, bool hasNorm, bool hasConvolution) => (hasNorm, rows) switch
    {
        (true, _) => hasConvolution ? NormedConvolved : NormedProduct,
        (_, <= 8) => hasConvolution ? Convolved8 : Product8,
        (_, <= 16) => hasConvolution ? Convolved16 : Product16,
        (_, <= 32) => hasConvolution ? Convolved32 : Product32,
        _ => hasConvolution ? Convolved64 : Product64,
    };

    /// <summary>Whether a product normalises its rows itself.</summary>
    public static bool TakesNorm(in CudaProductPlan plan, int rows, int depth) =>
        rows <= MostNormedRows && SharedBytes(plan, rows, depth) <= MostSharedBytes;

    /// <summary>Bytes of shared memory of a product.</summary>
    /// <param name="plan">How it is divided.</param>
    /// <param name="rows">Rows of x.</param>
    /// <param name="normedDepth">The width of x if the product normalises it, else 0.</param>
    public static int SharedBytes(in CudaProductPlan plan, int rows, int normedDepth)
    {
        int tiles = rows <= 8 ? 1 : rows <= 16 ? 2 : 4; // whose sums are there at a time
        int ofNorm = normedDepth > 0 ? (32 * sizeof(float)) + (rows * (normedDepth + 32) * sizeof(ushort)) : 0;
        return (tiles * plan.Warps * TileBytes) + ofNorm;
    }

    private static CudaFunction Named(string name) => new(File, name, Overlaps: true);
}

/// <summary>
/// How a product is divided among warps. It depends on the sizes of W alone, and so does the order in which numbers are
/// added.
/// </summary>
internal readonly struct CudaProductPlan
{
    private const int TileRows = 16, ChunkColumns = 32;

    // A warp that shares a tile with others has at least this many chunks: with fewer, adding their sums costs more.
    private const int LeastChunks = 3;

    // Eight warps a tile fill a device if there are many tiles; where there are few, sixteen. A head has so many tiles
    // that two warps a tile do, and then four tiles share a group's norm.
    private const int LeastSplits = 2, UsualSplits = 8, MostSplits = 16, ManyTiles = 132, ManyGroups = 2112;

    /// <summary>Plans a product.</summary>
    /// <param name="width">Rows of W.</param>
    /// <param name="depth">Columns of W.</param>
    public CudaProductPlan(int width, int depth)
    {
        int tiles = (int)GpuDevice.Groups(width, TileRows), chunks = (int)GpuDevice.Groups(depth, ChunkColumns);
        int most = tiles < ManyTiles ? MostSplits : tiles < ManyGroups ? UsualSplits : LeastSplits;
        Splits = 1;
        while (Splits < most && chunks >= 2 * LeastChunks * Splits)
        {
            Splits *= 2;
        }

        // A product of few splits has several tiles a group.
        int perGroup = Math.Max(1, (tiles < ManyGroups ? 4 : 8) / Splits);
        Warps = Splits * perGroup;
        Groups = (int)GpuDevice.Groups(tiles, perGroup);
    }

    /// <summary>Warps that divide the depth of a tile of W.</summary>
    public int Splits { get; }

    /// <summary>Warps of a group.</summary>
    public int Warps { get; }

    /// <summary>Number of groups.</summary>
    public int Groups { get; }
}

/// <summary>The arguments of a product, as <c>Product</c> of <c>Decode.cu</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaProduct
{
    public CudaRows X;
    public CudaRows Weight;
    public CudaRows Bias;
    public CudaRows Start;
    public CudaRows Y;
    public CudaRows Residual;
    public CudaRows Update;
    public CudaRows Scale;
    public CudaRows Sum;
    public CudaRows Taps;
    public CudaRows TapBias;
    public CudaRows Convolved;
    public nint Window;
    public nint Slots;
    public int Rows;
    public int Depth;
    public int Width;
    public int Splits;
    public float Epsilon;
    public int FirstChannel;
    public int Channels;
    public int TapCount;
    public int IsSilu;
}

/// <summary>The arguments of a token of the scan, as <c>ScanStep</c> of <c>Decode.cu</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaScanStep
{
    public CudaRows X;
    public CudaRows Z;
    public CudaRows Delta;
    public CudaRows B;
    public CudaRows C;
    public CudaRows Weight;
    public CudaRows Bias;
    public CudaRows A;
    public CudaRows D;
    public CudaRows Y;
    public nint Hidden;
    public nint Slots;
    public int Channels;
    public int Rank;
    public int IsALog;
}

/// <summary>The arguments of a token of the SSD, as <c>SsdStep</c> of <c>Decode.cu</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaSsdStep
{
    public CudaRows X;
    public CudaRows Z;
    public CudaRows Delta;
    public CudaRows B;
    public CudaRows C;
    public CudaRows Bias;
    public CudaRows A;
    public CudaRows D;
    public CudaRows Y;
    public nint Hidden;
    public nint Slots;
    public int Heads;
    public int HeadDim;
    public int States;
    public int Groups;
    public int IsALog;
    public int IsSoftplus;
    public int HasChannelD;
    public float DeltaMin;
    public float DeltaMax;
}

/// <summary>The arguments of a gated norm, as <c>GatedNorm</c> of <c>Decode.cu</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaGatedNorm
{
    public CudaRows X;
    public CudaRows Z;
    public CudaRows Y;
    public CudaRows Scale;
    public int GroupSize;
    public float Epsilon;
    public int IsNormFirst;
}

/// <summary>The arguments of a search, as <c>Largest</c> of <c>Decode.cu</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct CudaLargest
{
    public CudaRows X;
    public CudaRows Y;
    public nint Index;
    public int Width;
}
