namespace Mamba.Kernels;

/// <summary>
/// Scratch memory of a chunk for one register of channels: a register for each token and quantity.
/// </summary>
internal readonly unsafe struct ScanChunk(float* memory, int length)
{
    /// <summary>States that a backward pass computes at once.</summary>
    public const int StatesAtOnce = 4;

    /// <summary>
    /// Floats of one quantity: a chunk's and one cache line. At exactly 4 KB apart, all quantities of a token would map
    /// to the same few sets of L1.
    /// </summary>
    private const int Size = (SelectiveScan.ChunkLength + 1) * WidestRegister;

    private const int WidestRegister = 16;

    /// <summary>Floats to allocate for a forward pass.</summary>
    public const int ForwardSize = (3 * Size) + WidestRegister;

    /// <summary>Floats to allocate for a backward pass.</summary>
    public const int BackwardSize =
        (9 * Size) + (StatesAtOnce * ((2 * Size) + WidestRegister)) + WidestRegister;

    // A register that crosses a cache line costs two accesses.
    private readonly float* _start = (float*)(((nint)memory + 63) & ~63);

    /// <summary>Number of tokens.</summary>
    public int Length { get; } = length;

    /// <summary>
    /// y before the gate. It comes first because of 4K aliasing: a load waits for an earlier store whose address has
    /// the same last 12 bits. So the store of y_t aliases Δ_{t-1}, which is already loaded, and no later token.
    /// </summary>
    public float* Output => _start;

    /// <summary>Δ</summary>
    public float* Delta => _start + Size;

    /// <summary>Δ·x</summary>
    public float* Input => _start + (2 * Size);

    /// <summary>Gradient of y before the gate.</summary>
    public float* GradientOfOutput => _start + (3 * Size);

    /// <summary>Gradient of Δ·x.</summary>
    public float* GradientOfInput => _start + (4 * Size);

    /// <summary>Gradient of Δ in exp(Δ·A).</summary>
    public float* GradientOfDelta => _start + (5 * Size);

    /// <summary>x</summary>
    public float* X => _start + (6 * Size);

    /// <summary>dΔ/d(Δ before softplus)</summary>
    public float* SlopeOfDelta => _start + (7 * Size);

    /// <summary>Gradient of z, before it is multiplied by y before the gate.</summary>
    public float* SlopeOfGate => _start + (8 * Size);

    /// <summary>exp(Δ·A), <see cref="StatesAtOnce"/> for each token.</summary>
    public float* Decays => _start + (9 * Size);

    /// <summary>h before each token and after the last, <see cref="StatesAtOnce"/> for each.</summary>
    public float* States => _start + ((9 + StatesAtOnce) * Size);
}
