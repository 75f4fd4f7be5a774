// A decoding step in bfloat16, of 1 to 64 texts: a layer of Mamba-1 or Mamba-2 is four kernels, and the choice of the
// likeliest tokens is one.
//
//   product_*     y = start + x·Wᵀ + b
//   convolved_*   the same, with the step of a causal convolution over some columns of y
//   normed_*      the same two, for x = s/√(mean(s²) + ε)·w of the residual stream s = residual + update
//   norm_rows     that norm alone, for more rows
//   scan_step     Δ = softplus(δ·Wᵀ + bias), then one token of the selective scan (Gu and Dao, arXiv:2312.00752)
//   ssd_step      one token of Mamba-2's state-space dual
//   gated_norm    the norm after it, with the gate
//   largest       the largest number of each row, and its index
//
// A step reads every weight once, so it is bound by memory and, with few texts, by the number of launches. Every thread
// has up to eight loads of 16 bytes in flight, and all multiprocessors take part. Every kernel lets the next one start
// at once, loads weights, and only then waits for the kernel before it: from compute capability 9.0 the weights of a
// kernel arrive while the one before it computes.
//
// Sums are float32. Their order depends on the sizes of W alone, and rows do not meet, so the bits of a row do not
// depend on the number of rows.

#include "Rows.cuh"

#define WARP 0xFFFFFFFFu
#define LOG2E 1.44269504f

#ifdef ON_HOST // tests compile the kernels for the host
#define LOAD_IF(instruction) return exists ? *(const uint4*)address : make_uint4(0, 0, 0, 0)
#else
#define LOAD_IF(instruction)                                                                                          \
    uint4 v;                                                                                                          \
    asm volatile("{\n\t"                                                                                              \
                 ".reg .pred p;\n\t"                                                                                  \
                 "setp.ne.s32 p, %5, 0;\n\t"                                                                          \
                 "mov.b32 %0, 0;\n\t"                                                                                 \
                 "mov.b32 %1, 0;\n\t"                                                                                 \
                 "mov.b32 %2, 0;\n\t"                                                                                 \
                 "mov.b32 %3, 0;\n\t"                                                                                 \
                 "@p " instruction " {%0, %1, %2, %3}, [%4];\n\t"                                                     \
                 "}"                                                                                                  \
                 : "=&r"(v.x), "=&r"(v.y), "=&r"(v.z), "=&r"(v.w)                                                     \
                 : "l"(address), "r"((int)exists));                                                                   \
    return v
#endif

// Loads 16 bytes, or gives zeros where there are none. A predicate in place of a branch keeps many loads in flight.
__device__ __forceinline__ uint4 loadIf(bool exists, const void* address)
{
    LOAD_IF("ld.global.v4.u32");
}

// The same past the first-level cache, for weights, which a step reads once.
__device__ __forceinline__ uint4 loadOnceIf(bool exists, const void* address)
{
    LOAD_IF("ld.global.L1::no_allocate.v4.u32");
}

// d += a·b: [16, 16] times [16, 8], bfloat16 factors, float32 sums. With g = lane / 4 and q = lane % 4, a lane has of
// d the rows g and g + 8 of columns 2q, 2q + 1; of a the rows g, g + 8 of columns 2q, 2q + 1, then of those plus 8; of
// b the rows 2q, 2q + 1, then those plus 8, of column g.
__device__ __forceinline__ void multiplyTile(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1)
{
#ifdef ON_HOST
    shim::mma16816(d, a, b0, b1);
#else
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

// Rounds two numbers to the nearest bfloat16.
__device__ __forceinline__ unsigned narrowPair(float low, float high)
{
#ifdef ON_HOST
    return narrowOf(low) | (unsigned)narrowOf(high) << 16;
#else
    unsigned pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
#endif
}

__device__ __forceinline__ float lowOf(unsigned pair)
{
    return __uint_as_float(pair << 16);
}

__device__ __forceinline__ float highOf(unsigned pair)
{
    return __uint_as_float(pair & 0xFFFF0000u);
}

__device__ __forceinline__ float4 wide(uint2 words)
{
    return make_float4(lowOf(words.x), highOf(words.x), lowOf(words.y), highOf(words.y));
}

// One element, and four adjacent ones, of float32 rows, and four of bfloat16 rows. The precision is not chosen here,
// and bfloat16 is made wide later: a branch between two loads would make the second wait for the first.
__device__ __forceinline__ float floatAt(const Rows& rows, long long row, int column)
{
    return ((const float*)rows.data)[row * rows.pitch + column];
}

__device__ __forceinline__ float4 floatsAt(const Rows& rows, long long row, int column)
{
    return *(const float4*)((const float*)rows.data + row * rows.pitch + column);
}

__device__ __forceinline__ uint2 wordsAt(const Rows& rows, long long row, int column)
{
    return *(const uint2*)((const unsigned short*)rows.data + row * rows.pitch + column);
}

__device__ __forceinline__ float silu(float x)
{
    return x / (1.0f + exp2Fast(-LOG2E * x));
}

// Lets the next kernel start. It waits for this one before it reads what this one writes.
__device__ __forceinline__ void letNextStart()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;");
#endif
}

// Waits for the end of the kernel before this one. Only weights may be read earlier.
__device__ __forceinline__ void waitForPrevious()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// --- products ---

#define IN_FLIGHT 4 // chunks, each 32 columns of a tile of W, that a warp loads ahead
#define TILE_PITCH 10 // floats from a row to the next in a tile of sums, 16 rows of W by 8 rows of x: no bank conflicts
#define TILE (16 * TILE_PITCH)
#define NORM_PITCH(depth) ((depth) + 32) // elements from a normalized row to the next in shared memory

struct Product
{
    Rows x; // [rows, depth], bfloat16; with a norm in the product absent, with norm_rows its output
    Rows weight; // W, [width, depth], bfloat16
    Rows bias; // [1, width]; may be absent
    Rows start; // [rows, width]; may be absent; may be y
    Rows y; // [rows, width]; without the columns that are convolved
    Rows residual, update; // of a norm, [rows, depth], float32 and bfloat16; the update may be absent
    Rows scale; // w of a norm, [1, depth], float32
    Rows sum; // receives s of a norm, float32; may be absent
    Rows taps, tapBias; // of a convolution, [tapCount, channels] and [1, channels], float32; the bias may be absent
    Rows convolved; // [rows, channels]
    float* window; // [slots, tapCount - 1, channels], the inputs before this one; moves on by one
    const int* slots; // the row of the window for each row of x; null: its own index
    int rows;
    int depth; // a multiple of 8
    int width;
    int splits; // warps that divide the depth; it divides the warps of a block
    float epsilon;
    int firstChannel, channels; // the columns of y that are convolved
    int tapCount; // 2 to 4
    int isSilu;
};

// Sums a number over the threads of a block, in an order that depends on their number alone.
__device__ __forceinline__ float sumOfBlock(float value, float* scratch)
{
    for (int step = 16; step > 0; step /= 2)
    {
        value += __shfl_xor_sync(WARP, value, step);
    }

    if (threadIdx.x == 0)
    {
        scratch[threadIdx.y] = value;
    }

    __syncthreads();
    value = threadIdx.x < blockDim.y ? scratch[threadIdx.x] : 0.0f;
    for (int step = 16; step > 0; step /= 2)
    {
        value += __shfl_xor_sync(WARP, value, step);
    }

    __syncthreads(); // before the next row writes the scratch
    return value;
}

// Loads quads `step` elements apart of a row of s = residual + update, from k on; zeros beyond the row.
template <int Quads>
__device__ __forceinline__ void loadStream(const Product& p, int row, int k, int step, float4 (&s)[Quads])
{
    uint2 u[Quads];
#pragma unroll
    for (int i = 0; i < Quads; i++)
    {
        bool exists = k + i * step < p.depth;
        s[i] = exists ? floatsAt(p.residual, row, k + i * step) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        u[i] = exists && p.update.data ? wordsAt(p.update, row, k + i * step) : make_uint2(0, 0);
    }

#pragma unroll
    for (int i = 0; i < Quads; i++)
    {
        float4 t = wide(u[i]);
        s[i] = make_float4(s[i].x + t.x, s[i].y + t.y, s[i].z + t.z, s[i].w + t.w);
    }
}

// Normalizes a row to bfloat16. All threads of the block share it.
__device__ __forceinline__ void normRow(const Product& p, int row, unsigned short* y, bool storesSum, float* scratch)
{
    constexpr int Quads = 3; // of a thread, whose loads are in flight at once
    int first = 4 * (threadIdx.x + 32 * threadIdx.y), step = 128 * blockDim.y, last = 0;
    float square = 0.0f;
    float4 s[Quads], w[Quads];
#pragma unroll
    for (int i = 0; i < Quads; i++)
    {
        int k = first + i * step;
        w[i] = k < p.depth ? floatsAt(p.scale, 0, k) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }

    for (int start = first; start < p.depth; start += Quads * step)
    {
        loadStream(p, row, start, step, s);
        last = start;
#pragma unroll
        for (int i = 0; i < Quads; i++)
        {
            int k = start + i * step;
            square += s[i].x * s[i].x + s[i].y * s[i].y + s[i].z * s[i].z + s[i].w * s[i].w;
            if (storesSum && k < p.depth)
            {
                *(float4*)((float*)p.sum.data + (long long)row * p.sum.pitch + k) = s[i];
            }
        }
    }

    float r = 1.0f / sqrtf(sumOfBlock(square, scratch) / p.depth + p.epsilon);
    for (int start = first; start < p.depth; start += Quads * step)
    {
        if (last > first)
        {
            loadStream(p, row, start, step, s); // a row of more quads is read again
        }

#pragma unroll
        for (int i = 0; i < Quads; i++)
        {
            int k = start + i * step;
            if (k < p.depth)
            {
                float4 v = start == first ? w[i] : floatsAt(p.scale, 0, k);
                *(uint2*)(y + k) = make_uint2(
                    narrowPair(s[i].x * r * v.x, s[i].y * r * v.y), narrowPair(s[i].z * r * v.z, s[i].w * r * v.w));
            }
        }
    }
}

// A channel of a convolution: its taps, and the inputs before the current one.
struct Taps
{
    float weight[4], input[3], bias;
    float* window;

    __device__ __forceinline__ void load(const Product& p, int channel, int row)
    {
        int left = p.tapCount - 1, slot = p.slots ? p.slots[row] : row;
        window = p.window + (long long)slot * left * p.channels + channel;
        bias = p.tapBias.data ? floatAt(p.tapBias, 0, channel) : 0.0f;
#pragma unroll
        for (int k = 0; k < 4; k++)
        {
            weight[k] = k <= left ? floatAt(p.taps, k, channel) : 0.0f;
        }

#pragma unroll
        for (int k = 0; k < 3; k++)
        {
            input[k] = k < left ? window[(long long)k * p.channels] : 0.0f;
        }
    }

    // Convolves, and moves the window on.
    __device__ __forceinline__ float apply(const Product& p, float x)
    {
        int left = p.tapCount - 1;
        float sum = bias, last = weight[0];
#pragma unroll
        for (int k = 0; k < 3; k++)
        {
            if (k < left)
            {
                sum += weight[k] * input[k];
                last = weight[k + 1];
                window[(long long)k * p.channels] = k + 1 < left ? input[k < 2 ? k + 1 : 2] : x;
            }
        }

        sum += last * x;
        return p.isSilu ? silu(sum) : sum;
    }
};

// The product of at most 8·Tiles rows of x. A block computes some tiles of 16 rows of W; `splits` warps share a tile,
// each with a part of the depth. W is the left factor of the tensor cores' product and 8 rows of x are the right one,
// so a single row of x wastes nothing but arithmetic, of which there is plenty.
//
// The depth is renamed: lane q of a row loads the 8 elements from 8q on, of W and of x, and passes them as those that
// two products would take from 2q and from 2q + 8 on. So every load is 16 bytes, and W needs no shared memory. A chunk
// of W is loaded when the one IN_FLIGHT before it has been used, the first ones before anything else.
template <int Tiles, bool HasNorm, bool HasConvolution>
__device__ __forceinline__ void product(const Product& p)
{
    DYNAMIC_SHARED(memory);
    constexpr int Round = Tiles < 4 ? Tiles : 4; // tiles of a warp whose sums are in shared memory at a time
    constexpr int Ahead = Tiles == 1 && !HasNorm ? IN_FLIGHT : 1; // chunks of x that are loaded ahead
    constexpr int Batch = HasConvolution && Tiles > 1 ? 2 : 1; // outputs of a thread that are computed together
    float* shared = (float*)memory; // the sums of all warps, 32 numbers for the norm, normalized rows
    int lane = threadIdx.x, group = lane / 4, quarter = lane % 4, tilesOfBlock = blockDim.y / p.splits;
    int firstTile = blockIdx.x * tilesOfBlock, row = 16 * (firstTile + threadIdx.y / p.splits) + group;
    const unsigned short* weight = (const unsigned short*)p.weight.data;
    const unsigned short* upper = weight + (long long)(row < p.width ? row : 0) * p.weight.pitch;
    const unsigned short* lower = weight + (long long)(row + 8 < p.width ? row + 8 : 0) * p.weight.pitch;
    int chunks = (p.depth + 31) / 32, perWarp = (chunks + p.splits - 1) / p.splits;
    int begin = threadIdx.y % p.splits * perWarp, end = begin + perWarp < chunks ? begin + perWarp : chunks;
    uint4 u[IN_FLIGHT], l[IN_FLIGHT], v[Ahead];

    letNextStart();
#pragma unroll
    for (int i = 0; i < IN_FLIGHT; i++)
    {
        int k = 32 * (begin + i) + 8 * quarter;
        bool exists = begin + i < end && k < p.depth;
        u[i] = loadOnceIf(exists, upper + k);
        l[i] = loadOnceIf(exists, lower + k);
    }

    waitForPrevious();
    const unsigned short* x = (const unsigned short*)p.x.data;
    int pitch = p.x.pitch;
    if (Ahead > 1)
    {
        x += (long long)(group < p.rows ? group : 0) * pitch;
#pragma unroll
        for (int i = 0; i < Ahead; i++)
        {
            int k = 32 * (begin + i) + 8 * quarter;
            v[i] = loadIf(begin + i < end && k < p.depth, x + k);
        }
    }

    // An output of the block: its row of x and its column of y.
    int thread = lane + 32 * threadIdx.y, threads = 32 * blockDim.y, outputs = 128 * Round * tilesOfBlock;
    auto rowOf = [=](int i, int round) { return 8 * (round + i / 128 % Round) + i % 128 / 16; };
    auto columnOf = [=](int i) { return 16 * (firstTile + i / (128 * Round)) + i % 16; };
    Taps taps[Batch];
    auto loadTaps = [&](int first, int round)
    {
#pragma unroll
        for (int j = 0; j < Batch; j++)
        {
            int i = first + j * threads, channel = columnOf(i) - p.firstChannel, own = rowOf(i, round);
            if (i < outputs && own < p.rows && (unsigned)channel < (unsigned)p.channels)
            {
                taps[j].load(p, channel, own);
            }
        }
    };
    if (HasConvolution && Tiles == 1)
    {
        loadTaps(thread, 0); // in flight during the product
    }

    if (HasNorm)
    {
        float* scratch = shared + Round * TILE * blockDim.y;
        unsigned short* normed = (unsigned short*)(scratch + 32);
        pitch = NORM_PITCH(p.depth);
        for (int i = 0; i < p.rows; i++)
        {
            normRow(p, i, normed + i * pitch, blockIdx.x == 0 && p.sum.data, scratch);
        }

        x = normed;
        __syncthreads();
    }

    float sums[Tiles][4] = {};
#pragma unroll 1
    for (int chunk = begin; chunk < end; chunk += IN_FLIGHT)
    {
#pragma unroll
        for (int i = 0; i < IN_FLIGHT; i++)
        {
            // Rows of x that do not exist are read as row 0, and their sums are not stored.
            int k = 32 * (chunk + i) + 8 * quarter, next = k + 32 * IN_FLIGHT;
            bool exists = chunk + i < end && k < p.depth;
            bool nextExists = chunk + i + IN_FLIGHT < end && next < p.depth;
            uint4 b[Tiles];
#pragma unroll
            for (int tile = 0; tile < Tiles; tile++)
            {
                int own = 8 * tile + group;
                const unsigned short* from = x + (long long)(own < p.rows ? own : 0) * pitch + k;
                b[tile] = Ahead > 1 ? v[i % Ahead]
                    : !HasNorm ? loadIf(exists, from)
                    : exists ? *(const uint4*)from : make_uint4(0, 0, 0, 0);
            }

            unsigned first[4] = {u[i].x, l[i].x, u[i].y, l[i].y}, second[4] = {u[i].z, l[i].z, u[i].w, l[i].w};
#pragma unroll
            for (int tile = 0; tile < Tiles; tile++)
            {
                multiplyTile(sums[tile], first, b[tile].x, b[tile].y);
                multiplyTile(sums[tile], second, b[tile].z, b[tile].w);
            }

            u[i] = loadOnceIf(nextExists, upper + next);
            l[i] = loadOnceIf(nextExists, lower + next);
            if (Ahead > 1)
            {
                v[i % Ahead] = loadIf(nextExists, x + next);
            }

            __syncwarp(); // without it the compiler uses all chunks before it loads the next ones
        }
    }

    // Adds the sums of the parts of the depth, the first part first.
#pragma unroll
    for (int round = 0; round < Tiles; round += Round)
    {
        if (round > 0)
        {
            __syncthreads();
        }

#pragma unroll
        for (int tile = 0; tile < Round; tile++)
        {
            float* to = shared + (Round * threadIdx.y + tile) * TILE + group * TILE_PITCH + 2 * quarter;
            *(float2*)to = make_float2(sums[round + tile][0], sums[round + tile][1]);
            *(float2*)(to + 8 * TILE_PITCH) = make_float2(sums[round + tile][2], sums[round + tile][3]);
        }

        if (HasConvolution && Tiles > 1)
        {
            loadTaps(thread, round);
        }

        __syncthreads();
        for (int first = thread; first < outputs; first += Batch * threads)
        {
            if (HasConvolution && first != thread)
            {
                loadTaps(first, round);
            }

#pragma unroll
            for (int j = 0; j < Batch; j++)
            {
                int i = first + j * threads, own = rowOf(i, round), column = columnOf(i);
                if (i >= outputs || own >= p.rows || column >= p.width)
                {
                    continue;
                }

                int warp = i / (128 * Round) * p.splits;
                const float* from = shared + (Round * warp + i / 128 % Round) * TILE + i % 16 * TILE_PITCH + own % 8;
                float y = 0.0f;
#pragma unroll 4
                for (int split = 0; split < p.splits; split++)
                {
                    y += from[split * Round * TILE];
                }

                y += p.bias.data ? at(p.bias, 0, column) : 0.0f;
                y += p.start.data ? at(p.start, own, column) : 0.0f;
                int channel = column - p.firstChannel;
                if (HasConvolution && (unsigned)channel < (unsigned)p.channels)
                {
                    y = p.y.narrow ? lowOf(narrowOf(y)) : y; // the window keeps an input as y would
                    store(p.convolved, own, channel, taps[j].apply(p, y));
                }
                else
                {
                    store(p.y, own, column, y);
                }
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(512) product_8(const __grid_constant__ Product arguments)
{
    product<1, false, false>(arguments);
}

extern "C" __global__ void __launch_bounds__(512) product_16(const __grid_constant__ Product arguments)
{
    product<2, false, false>(arguments);
}

extern "C" __global__ void __launch_bounds__(512) product_32(const __grid_constant__ Product arguments)
{
    product<4, false, false>(arguments);
}

extern "C" __global__ void __launch_bounds__(512) product_64(const __grid_constant__ Product arguments)
{
    product<8, false, false>(arguments);
}

extern "C" __global__ void __launch_bounds__(512) convolved_8(const __grid_constant__ Product arguments)
{
    product<1, false, true>(arguments);
}

extern "C" __global__ void __launch_bounds__(512) convolved_16(const __grid_constant__ Product arguments)
{
    product<2, false, true>(arguments);
}

extern "C" __global__ void __launch_bounds__(512) convolved_32(const __grid_constant__ Product arguments)
{
    product<4, false, true>(arguments);
}

extern "C" __global__ void __launch_bounds__(512) convolved_64(const __grid_constant__ Product arguments)
{
    product<8, false, true>(arguments);
}

extern "C" __global__ void __launch_bounds__(512) normed_product_8(const __grid_constant__ Product arguments)
{
    product<1, true, false>(arguments);
}

extern "C" __global__ void __launch_bounds__(512) normed_convolved_8(const __grid_constant__ Product arguments)
{
    product<1, true, true>(arguments);
}

// The norm of one row a block, into x. The threads are those of the product that follows, and so are the bits.
extern "C" __global__ void __launch_bounds__(512) norm_rows(const __grid_constant__ Product arguments)
{
    __shared__ float scratch[32];
    letNextStart();
    waitForPrevious();
    unsigned short* x = (unsigned short*)arguments.x.data + (long long)blockIdx.x * arguments.x.pitch;
    normRow(arguments, blockIdx.x, x, arguments.sum.data, scratch);
}

// --- the scan ---

struct ScanStep
{
    Rows x, z; // [rows, channels], bfloat16; z may be absent
    Rows delta; // δ, [rows, rank], bfloat16
    Rows b, c; // [rows, 16], bfloat16
    Rows weight; // W, [channels, rank], bfloat16
    Rows bias; // of Δ, [1, channels], float32; may be absent
    Rows a; // [16, channels], float32
    Rows d; // [1, channels], float32; may be absent
    Rows y; // [rows, channels]
    float* hidden; // h, [slots, 16, channels]; updated
    const int* slots; // the row of h for each row; null: its own index
    int channels;
    int rank; // a multiple of 4
    int isALog; // a is log(-A)
};

// 2^x. Near 0, where a decay is repeated thousands of times, it is the first terms of the series.
__device__ __forceinline__ float decayOf(float x)
{
    float near = ((5.55041087e-2f * x + 0.240226507f) * x + 0.693147181f) * x + 1.0f;
    return fabsf(x) < 0.03125f ? near : exp2Fast(x);
}

__device__ __forceinline__ float sumOfFour(float value)
{
    value += __shfl_xor_sync(WARP, value, 1);
    return value + __shfl_xor_sync(WARP, value, 2);
}

// Four adjacent lanes share a channel: each has four states, and every fourth quad of the product for Δ.
extern "C" __global__ void __launch_bounds__(128) scan_step(const __grid_constant__ ScanStep arguments)
{
    constexpr int Quads = 4; // of W and of δ, whose loads a lane has in flight
    const ScanStep& p = arguments;
    int part = threadIdx.x % 4, channel = blockIdx.x * (blockDim.x / 4) + threadIdx.x / 4, row = blockIdx.y;
    bool exists = channel < p.channels;
    channel = exists ? channel : p.channels - 1;
    letNextStart();
    uint2 w[Quads], t[Quads];
    auto load = [&](uint2 (&quads)[Quads], const Rows& rows, int own, int start)
    {
#pragma unroll
        for (int i = 0; i < Quads; i++)
        {
            int k = start + 16 * i + 4 * part;
            quads[i] = k < p.rank ? wordsAt(rows, own, k) : make_uint2(0, 0);
        }
    };
    load(w, p.weight, channel, 0);
    float a[4], h[4];
    float bias = p.bias.data ? floatAt(p.bias, 0, channel) : 0.0f, d = p.d.data ? floatAt(p.d, 0, channel) : 0.0f;
#pragma unroll
    for (int i = 0; i < 4; i++)
    {
        a[i] = floatAt(p.a, 4 * part + i, channel);
    }

    waitForPrevious();
    int slot = p.slots ? p.slots[row] : row;
    float* hidden = p.hidden + ((long long)slot * 16 + 4 * part) * p.channels + channel;
#pragma unroll
    for (int i = 0; i < 4; i++)
    {
        h[i] = hidden[(long long)i * p.channels];
    }

    unsigned short wordOfX = ((const unsigned short*)p.x.data)[(long long)row * p.x.pitch + channel];
    unsigned short wordOfZ = p.z.data ? ((const unsigned short*)p.z.data)[(long long)row * p.z.pitch + channel] : 0;
    uint2 wordsOfB = wordsAt(p.b, row, 4 * part), wordsOfC = wordsAt(p.c, row, 4 * part);
    float delta = 0.0f;
    for (int start = 0; start < p.rank; start += 16 * Quads)
    {
        if (start > 0)
        {
            load(w, p.weight, channel, start);
        }

        load(t, p.delta, row, start);
#pragma unroll
        for (int i = 0; i < Quads; i++)
        {
            delta += lowOf(w[i].x) * lowOf(t[i].x) + highOf(w[i].x) * highOf(t[i].x) + lowOf(w[i].y) * lowOf(t[i].y)
                + highOf(w[i].y) * highOf(t[i].y);
        }
    }

    delta = sumOfFour(delta) + bias;
    delta = delta > 20.0f ? delta : log1pf(expf(delta));
    float4 b = wide(wordsOfB), c = wide(wordsOfC);
    float ofB[4] = {b.x, b.y, b.z, b.w}, ofC[4] = {c.x, c.y, c.z, c.w}, x = lowOf(wordOfX), y = 0.0f;
#pragma unroll
    for (int i = 0; i < 4; i++)
    {
        float ofA = p.isALog ? -expf(a[i]) : a[i];
        h[i] = decayOf(delta * LOG2E * ofA) * h[i] + delta * x * ofB[i];
        y += ofC[i] * h[i];
    }

    y = sumOfFour(y) + d * x;
    y = p.z.data ? y * silu(lowOf(wordOfZ)) : y;
    if (exists)
    {
#pragma unroll
        for (int i = 0; i < 4; i++)
        {
            hidden[(long long)i * p.channels] = h[i];
        }

        if (part == 0)
        {
            store(p.y, row, channel, y);
        }
    }
}

// --- Mamba-2 ---

struct SsdStep
{
    Rows x, z; // [rows, heads·headDim], bfloat16; z may be absent
    Rows delta; // Δ before its bias, [rows, heads], bfloat16
    Rows b, c; // [rows, groups·states], bfloat16
    Rows bias, a; // [1, heads], float32; the bias may be absent
    Rows d; // [1, heads] or [1, heads·headDim], float32; may be absent
    Rows y; // [rows, heads·headDim]
    float* hidden; // h, [slots, heads·headDim, states]; updated
    const int* slots; // the row of h for each row; null: its own index
    int heads;
    int headDim; // a multiple of 4
    int states; // a multiple of 4
    int groups;
    int isALog; // a is log(-A)
    int isSoftplus;
    int hasChannelD;
    float deltaMin, deltaMax;
};

// One token of the SSD (Dao and Gu, arXiv:2405.21060): h ← exp(Δ·A)·h + Δ·x ⊗ B, y = h·C + D·x. A warp has four
// channels of a head, and a lane four adjacent states of each.
extern "C" __global__ void __launch_bounds__(128) ssd_step(const __grid_constant__ SsdStep arguments)
{
    constexpr int Channels = 4;
    const SsdStep& p = arguments;
    int lane = threadIdx.x, first = Channels * (blockIdx.x * blockDim.y + threadIdx.y), row = blockIdx.y;
    int width = p.heads * p.headDim;
    letNextStart();
    if (first >= width)
    {
        waitForPrevious();
        return; // a whole warp
    }

    int head = first / p.headDim, shared = head / (p.heads / p.groups) * p.states;
    float a = floatAt(p.a, 0, head), bias = p.bias.data ? floatAt(p.bias, 0, head) : 0.0f;
    int ownD = p.hasChannelD ? first + lane % Channels : head;
    float d = p.d.data ? floatAt(p.d, 0, ownD) : 0.0f;
    waitForPrevious();
    int slot = p.slots ? p.slots[row] : row;
    float* hidden = p.hidden + ((long long)slot * width + first) * p.states;
    float4 h[Channels];
    uint2 wordsOfB, wordsOfC;
    auto load = [&](int n)
    {
#pragma unroll
        for (int i = 0; i < Channels; i++)
        {
            h[i] = *(const float4*)(hidden + (long long)i * p.states + n);
        }

        wordsOfB = wordsAt(p.b, row, shared + n);
        wordsOfC = wordsAt(p.c, row, shared + n);
    };
    int n = 4 * lane;
    if (n < p.states)
    {
        load(n);
    }

    unsigned short wordOfDelta = ((const unsigned short*)p.delta.data)[(long long)row * p.delta.pitch + head];
    uint2 wordsOfX = wordsAt(p.x, row, first), wordsOfZ = p.z.data ? wordsAt(p.z, row, first) : make_uint2(0, 0);
    float delta = lowOf(wordOfDelta) + bias;
    delta = p.isSoftplus && delta <= 20.0f ? log1pf(expf(delta)) : delta;
    delta = delta < p.deltaMin ? p.deltaMin : delta > p.deltaMax ? p.deltaMax : delta;
    float exponent = delta * (p.isALog ? -expf(a) : a); // at most 0; exp(-200) is 0
    float kept = expf(exponent < -200.0f ? -200.0f : exponent > 0.0f ? 0.0f : exponent);
    float4 x = wide(wordsOfX), z = wide(wordsOfZ);
    float inputs[Channels] = {x.x, x.y, x.z, x.w}, gates[Channels] = {z.x, z.y, z.z, z.w}, sums[Channels] = {};
    for (; n < p.states; n += 128)
    {
        if (n >= 128)
        {
            load(n);
        }

        float4 b = wide(wordsOfB), c = wide(wordsOfC);
#pragma unroll
        for (int i = 0; i < Channels; i++)
        {
            float input = delta * inputs[i];
            h[i] = make_float4(
                kept * h[i].x + input * b.x, kept * h[i].y + input * b.y, kept * h[i].z + input * b.z,
                kept * h[i].w + input * b.w);
            sums[i] += h[i].x * c.x + h[i].y * c.y + h[i].z * c.z + h[i].w * c.w;
            *(float4*)(hidden + (long long)i * p.states + n) = h[i];
        }
    }

#pragma unroll
    for (int i = 0; i < Channels; i++)
    {
        for (int step = 16; step > 0; step /= 2)
        {
            sums[i] += __shfl_xor_sync(WARP, sums[i], step);
        }

        if (lane == i)
        {
            float y = sums[i] + d * inputs[i];
            store(p.y, row, first + i, p.z.data ? y * silu(gates[i]) : y);
        }
    }
}

struct GatedNorm
{
    Rows x, z, y; // [rows, width], bfloat16
    Rows scale; // w, [1, width], float32
    int groupSize; // adjacent channels that are normalized together: a multiple of 4, at most 4096
    float epsilon;
    int isNormFirst; // y = x·r·w·silu(z); else y = s·r·w with s = x·silu(z)
};

// A block normalizes one group of a row: r = 1/√(mean(s²) + ε).
extern "C" __global__ void __launch_bounds__(256) gated_norm(const __grid_constant__ GatedNorm arguments)
{
    constexpr int Quads = 4; // of a thread
    __shared__ float scratch[32];
    const GatedNorm& p = arguments;
    int first = 4 * (threadIdx.x + 32 * threadIdx.y), start = blockIdx.x * p.groupSize, row = blockIdx.y;
    float4 w[Quads], s[Quads], gate[Quads];
    uint2 wordsOfX[Quads], wordsOfZ[Quads];
    letNextStart();
#pragma unroll
    for (int i = 0; i < Quads; i++)
    {
        int k = first + 1024 * i;
        w[i] = k < p.groupSize ? floatsAt(p.scale, 0, start + k) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }

    waitForPrevious();
#pragma unroll
    for (int i = 0; i < Quads; i++)
    {
        int k = first + 1024 * i;
        wordsOfX[i] = k < p.groupSize ? wordsAt(p.x, row, start + k) : make_uint2(0, 0);
        wordsOfZ[i] = k < p.groupSize ? wordsAt(p.z, row, start + k) : make_uint2(0, 0);
    }

    float square = 0.0f;
#pragma unroll
    for (int i = 0; i < Quads; i++)
    {
        float4 x = wide(wordsOfX[i]), z = wide(wordsOfZ[i]);
        gate[i] = make_float4(silu(z.x), silu(z.y), silu(z.z), silu(z.w));
        s[i] = p.isNormFirst ? x : make_float4(x.x * gate[i].x, x.y * gate[i].y, x.z * gate[i].z, x.w * gate[i].w);
        square += s[i].x * s[i].x + s[i].y * s[i].y + s[i].z * s[i].z + s[i].w * s[i].w;
    }

    float r = 1.0f / sqrtf(sumOfBlock(square, scratch) / p.groupSize + p.epsilon);
#pragma unroll
    for (int i = 0; i < Quads; i++)
    {
        int k = first + 1024 * i;
        if (k < p.groupSize)
        {
            float4 y =
                make_float4(s[i].x * r * w[i].x, s[i].y * r * w[i].y, s[i].z * r * w[i].z, s[i].w * r * w[i].w);
            y = p.isNormFirst ? make_float4(y.x * gate[i].x, y.y * gate[i].y, y.z * gate[i].z, y.w * gate[i].w) : y;
            *(uint2*)((unsigned short*)p.y.data + (long long)row * p.y.pitch + start + k) =
                make_uint2(narrowPair(y.x, y.y), narrowPair(y.z, y.w));
        }
    }
}

// --- the choice ---

struct Largest
{
    Rows x; // [rows, width], each row aligned to 16 bytes
    Rows y; // [1, rows]
    int* index; // the index of each y: of equal numbers the first; NaN counts as the largest
    int width;
};

struct Candidate
{
    float value;
    int index;

    // Takes another candidate if it is larger, or equal and earlier.
    __device__ __forceinline__ void meet(float other, int otherIndex)
    {
        bool isNan = value != value, isOtherNan = other != other;
        bool isLarger = isOtherNan ? !isNan : other > value;
        bool isEqual = isNan ? isOtherNan : other == value;
        bool takes = isLarger || (isEqual && otherIndex < index);
        value = takes ? other : value;
        index = takes ? otherIndex : index;
    }

    // Gives all lanes of a warp its best candidate.
    __device__ __forceinline__ void meetWarp()
    {
        for (int step = 16; step > 0; step /= 2)
        {
            float other = __shfl_xor_sync(WARP, value, step);
            int otherIndex = __shfl_xor_sync(WARP, index, step);
            meet(other, otherIndex);
        }
    }
};

// A block finds the largest number of one row.
extern "C" __global__ void __launch_bounds__(1024) largest(const __grid_constant__ Largest arguments)
{
    __shared__ float values[32];
    __shared__ int indices[32];
    Candidate none = {__uint_as_float(0xFF800000u), 0x7FFFFFFF}, best = none; // -∞
    letNextStart();
    waitForPrevious();
    int row = blockIdx.x, count = arguments.x.narrow ? 8 : 4;
    long long start = (long long)row * arguments.x.pitch / (arguments.x.narrow ? 2 : 1);
    const unsigned* words = (const unsigned*)arguments.x.data + start;
#pragma unroll 4
    for (int i = threadIdx.x * count; i < arguments.width; i += blockDim.x * count)
    {
        if (i + count > arguments.width)
        {
            for (int j = i; j < arguments.width; j++)
            {
                best.meet(at(arguments.x, row, j), j);
            }

            continue;
        }

        uint4 four = *(const uint4*)(words + (arguments.x.narrow ? i / 2 : i));
        unsigned all[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (int j = 0; j < 4; j++)
        {
            if (arguments.x.narrow)
            {
                best.meet(__uint_as_float(all[j] << 16), i + 2 * j);
                best.meet(__uint_as_float(all[j] & 0xFFFF0000u), i + 2 * j + 1);
            }
            else
            {
                best.meet(__uint_as_float(all[j]), i + j);
            }
        }
    }

    best.meetWarp();
    int lane = threadIdx.x % 32;
    if (lane == 0)
    {
        values[threadIdx.x / 32] = best.value;
        indices[threadIdx.x / 32] = best.index;
    }

    __syncthreads();
    best = none;
    if (lane < blockDim.x / 32)
    {
        best.value = values[lane];
        best.index = indices[lane];
    }

    best.meetWarp();
    if (threadIdx.x == 0)
    {
        store(arguments.y, 0, row, best.value);
        arguments.index[row] = best.index;
    }
}
