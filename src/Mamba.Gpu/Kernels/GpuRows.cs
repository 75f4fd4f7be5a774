using ILGPU;
using ILGPU.Runtime.Cuda;

namespace Mamba.Gpu.Kernels;

/// <summary>
/// A kernel's view of an array: rows of float32 or bfloat16 elements in device memory. Kernels compute in float32, so
/// every kernel takes any mixture of precisions.
/// </summary>
/// <param name="view">The storage, from its first element.</param>
/// <param name="offset">Index of the first row's first element in the storage.</param>
/// <param name="pitch">Elements from one row to the next.</param>
/// <param name="kind">Element type: one of the constants.</param>
/// <param name="aligned">1 if a column that is a multiple of four starts an aligned quad, else 0.</param>
internal readonly struct GpuRows(ArrayView<float> view, long offset, long pitch, int kind, int aligned)
{
    /// <summary>An optional array that is absent: <c>default</c>.</summary>
    public const int Absent = 0;

    public const int Float32 = 1;

    public const int BFloat16 = 2;

    /// <summary>Mask of the second bfloat16 of a word.</summary>
    public const uint HighHalf = 0xFFFF0000u;

    private readonly ArrayView<float> _view = view;
    private readonly long _offset = offset;

    // A 32-bit multiplication is one instruction, a 64-bit one five. Only the pitch of a single row, which has index 0,
    // may exceed 32 bits.
    private readonly int _pitch = (int)pitch;
    private readonly int _kind = kind;
    private readonly int _aligned = aligned;

    /// <summary>Whether the array is present.</summary>
    public bool Exists => _kind != Absent;

    /// <summary>Whether a column that is a multiple of four starts an aligned quad.</summary>
    public bool AreAligned => _aligned != 0;

    /// <summary>The same rows for a kernel whose quads start at multiples of <paramref name="columns"/>.</summary>
    public GpuRows CutAt(int columns) =>
        new(_view, _offset, _pitch, _kind, columns % 4 == 0 ? _aligned : 0);

    /// <remarks>
    /// Code after a load inside a branch waits for it there. So the word that holds the element is loaded outside of
    /// any branch, at either precision, and several loads are in flight at once.
    /// </remarks>
    public float Load(long row, long column)
    {
        long i = IndexOf(row, column);
        bool narrow = _kind == BFloat16;
        uint word = _view.Cast<uint>()[narrow ? i >> 1 : i];
        uint half = (i & 1) != 0 ? word & HighHalf : word << 16;
        return Interop.IntAsFloat(narrow ? half : word);
    }

    /// <summary>An element of an optional array; <paramref name="otherwise"/> if the array is absent.</summary>
    public float LoadOr(long row, long column, float otherwise) => _kind != Absent ? Load(row, column) : otherwise;

    public void Store(long row, long column, float value)
    {
        long i = IndexOf(row, column);
        if (_kind == BFloat16)
        {
            _view.Cast<ushort>()[i] = Narrow(value);
        }
        else
        {
            _view[i] = value;
        }
    }

    /// <summary>Adds to an element, without atomics: no other thread may access it.</summary>
    public void Add(long row, long column, float value) => Store(row, column, Load(row, column) + value);

    /// <summary>
    /// Loads columns <paramref name="column"/>, a multiple of 4, to column + 3; zeros from <paramref name="width"/> on.
    /// </summary>
    public Quad LoadQuad(long row, long column, long width) => LoadWords(row, column, width).Value;

    /// <summary>Like <see cref="LoadQuad"/>, without converting: several loads can be in flight first.</summary>
    public QuadWords LoadWords(long row, long column, long width)
    {
        long i = IndexOf(row, column);
        if (_aligned == 0 || column + 4 > width)
        {
            // A loop, because its code is shorter: fetching instructions matters in kernels that take microseconds.
            Quad edge = default;
            for (int j = 0; j < 4; j++)
            {
                float value = LoadUpTo(row, column + j, width);
                edge = new(edge.Y, edge.Z, edge.W, value);
            }

            return new(edge);
        }

        return WordsAt(i);
    }

    /// <summary>Like the overload with a width, for aligned rows and four columns inside the row.</summary>
    public QuadWords LoadWords(long row, long column) => WordsAt(IndexOf(row, column));

    private QuadWords WordsAt(long i) =>
        _kind == BFloat16 ? new(_view.Cast<ulong>()[i >> 2]) : new(_view.Cast<Quad>()[i >> 2]);

    private long IndexOf(long row, long column) => _offset + (long)((ulong)(uint)row * (uint)_pitch) + column;

    /// <summary>
    /// An element; 0 from <paramref name="width"/> on, where it loads the first element instead, to avoid a branch.
    /// </summary>
    private float LoadUpTo(long row, long column, long width)
    {
        float value = Load(row, column < width ? column : 0);
        return column < width ? value : 0f;
    }

    /// <summary>Stores the columns that <see cref="LoadQuad"/> loads; none from <paramref name="width"/> on.</summary>
    public void StoreQuad(long row, long column, long width, Quad value)
    {
        long i = IndexOf(row, column);
        if (_aligned != 0 && column + 4 <= width)
        {
            if (_kind == BFloat16)
            {
                uint low = Narrow(value.X) | ((uint)Narrow(value.Y) << 16);
                uint high = Narrow(value.Z) | ((uint)Narrow(value.W) << 16);
                _view.Cast<ulong>()[i >> 2] = low | ((ulong)high << 32);
            }
            else
            {
                _view.Cast<Quad>()[i >> 2] = value;
            }
        }
        else
        {
            StoreUpTo(row, column, width, value);
        }
    }

    /// <summary>Adds to the columns that <see cref="LoadQuad"/> loads, without atomics.</summary>
    public void AddQuad(long row, long column, long width, Quad value) =>
        StoreQuad(row, column, width, LoadQuad(row, column, width) + value);

    private void StoreUpTo(long row, long column, long width, Quad value)
    {
        if (column < width)
        {
            Store(row, column, value.X);
        }

        if (column + 1 < width)
        {
            Store(row, column + 1, value.Y);
        }

        if (column + 2 < width)
        {
            Store(row, column + 2, value.Z);
        }

        if (column + 3 < width)
        {
            Store(row, column + 3, value.W);
        }
    }

    /// <summary>Rounds to the nearest bfloat16, ties to even; NaN stays NaN.</summary>
    private static ushort Narrow(float value)
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("cvt.rn.bf16.f32 %0, %1;", out ushort narrow, value);
            return narrow;
        }

        uint bits = Interop.FloatAsInt(value);
        uint rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
        uint quiet = (bits >> 16) | 0x40u;
        return (ushort)((bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded);
    }
}

/// <summary>Four adjacent elements as stored: four float32 words, or two words of two bfloat16 each.</summary>
internal readonly struct QuadWords
{
    private readonly Quad _words;
    private readonly int _narrow;

    public QuadWords(Quad four) => (_words, _narrow) = (four, 0);

    public QuadWords(ulong four)
    {
        _words = new(Interop.IntAsFloat((uint)four), Interop.IntAsFloat((uint)(four >> 32)), 0f, 0f);
        _narrow = 1;
    }

    public Quad Value
    {
        get
        {
            uint low = Interop.FloatAsInt(_words.X), high = Interop.FloatAsInt(_words.Y);
            return new(
                _narrow != 0 ? Interop.IntAsFloat(low << 16) : _words.X,
                _narrow != 0 ? Interop.IntAsFloat(low & GpuRows.HighHalf) : _words.Y,
                _narrow != 0 ? Interop.IntAsFloat(high << 16) : _words.Z,
                _narrow != 0 ? Interop.IntAsFloat(high & GpuRows.HighHalf) : _words.W);
        }
    }
}
