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

    /// <summary>Threads that look for the largest number of a row.</summary>
    public const int LargestThreads = 1024;

    private const string File = "Decode";

    public static readonly CudaFunction Largest = new(File, "largest");

    public static readonly CudaFunction Product8 = new(File, "product_8");
    public static readonly CudaFunction Product16 = new(File, "product_16");
    public static readonly CudaFunction Product32 = new(File, "product_32");
    public static readonly CudaFunction Product64 = new(File, "product_64");

    /// <summary>The kernel of a product.</summary>
    /// <param name="rows">Rows of x, 1 to <see cref="MostRows"/>.</param>
    public static CudaFunction ProductOf(int rows) => rows switch
    {
        <= 8 => Product8,
        <= 16 => Product16,
        <= 32 => Product32,
        _ => Product64,
    };
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

    // Eight warps a tile fill a device if there are many tiles; where there are few, sixteen.
    private const int UsualSplits = 8, MostSplits = 16, ManyTiles = 264;

    /// <summary>Plans a product.</summary>
    /// <param name="width">Rows of W.</param>
    /// <param name="depth">Columns of W.</param>
    public CudaProductPlan(int width, int depth)
    {
        int tiles = (int)GpuDevice.Groups(width, TileRows), chunks = (int)GpuDevice.Groups(depth, ChunkColumns);
        int most = tiles < ManyTiles ? MostSplits : UsualSplits;
        Splits = 1;
        while (Splits < most && chunks >= 2 * LeastChunks * Splits)
        {
            Splits *= 2;
        }

        // A shallow product has few splits; then several tiles make a group.
        int perGroup = Math.Max(1, 4 / Splits);
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
    public int Rows;
    public int Depth;
    public int Width;
    public int Splits;
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
