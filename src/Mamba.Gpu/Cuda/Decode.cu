// A decoding step in bfloat16, of 1 to 64 texts: products of few rows and matrices of weights, and the choice of the
// likeliest tokens.
//
//   product_*   y = start + x·Wᵀ + b
//   largest     the largest number of each row, and its index
//
// A step reads every weight once, so it is bound by memory: every thread has up to eight loads of 16 bytes in flight,
// and all multiprocessors take part. Sums are float32. Their order depends on the sizes of W alone, and rows do not
// meet, so the bits of a row do not depend on the number of rows.

#include "Rows.cuh"

#define WARP 0xFFFFFFFFu

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

// --- products ---

#define TILE_PITCH 10 // floats from a row to the next in a tile of sums, 16 rows of W by 8 rows of x: no bank conflicts
#define TILE (16 * TILE_PITCH)
#define TILES_AT_ONCE 4 // tiles of a warp whose sums are in shared memory at a time, at most

struct Product
{
    Rows x; // [rows, depth], bfloat16
    Rows weight; // W, [width, depth], bfloat16
    Rows bias; // [1, width]; may be absent
    Rows start; // [rows, width]; may be absent; may be y
    Rows y; // [rows, width]
    int rows;
    int depth; // a multiple of 8
    int width;
    int splits; // warps that divide the depth; it divides the warps of a block
};

// The product of at most 8·Tiles rows of x. A block computes some tiles of 16 rows of W; `splits` warps share a tile,
// each with a part of the depth. W is the left factor of the tensor cores' product and 8 rows of x are the right one,
// so a single row of x wastes nothing but arithmetic, of which there is plenty.
//
// The depth is renamed: lane q of a row loads the 8 elements from 8q on, of W and of x, and passes them as those that
// two products would take from 2q and from 2q + 8 on. So every load is 16 bytes, and W needs no shared memory. The
// weights of InFlight chunks, each 32 columns of a tile, are loaded before the first is used.
template <int Tiles, int InFlight>
__device__ __forceinline__ void product(const Product& p, float* sumsOfBlock)
{
    constexpr int Ahead = Tiles == 1 ? InFlight : 1; // chunks of x that are loaded at once
    constexpr int Round = Tiles < TILES_AT_ONCE ? Tiles : TILES_AT_ONCE;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, tilesOfBlock = blockDim.x / 32 / p.splits;
    int firstTile = blockIdx.x * tilesOfBlock, row = 16 * (firstTile + warp / p.splits) + lane / 4;
    const unsigned short* weight = (const unsigned short*)p.weight.data;
    const unsigned short* upper = weight + (long long)(row < p.width ? row : 0) * p.weight.pitch;
    const unsigned short* lower = weight + (long long)(row + 8 < p.width ? row + 8 : 0) * p.weight.pitch;
    const unsigned short* x = (const unsigned short*)p.x.data;
    int chunks = (p.depth + 31) / 32, perWarp = (chunks + p.splits - 1) / p.splits;
    int begin = warp % p.splits * perWarp, end = begin + perWarp < chunks ? begin + perWarp : chunks;
    float sums[Tiles][4] = {};
#pragma unroll 1
    for (int chunk = begin; chunk < end; chunk += InFlight)
    {
        uint4 u[InFlight], l[InFlight], v[Ahead][Tiles];
        bool exists[InFlight];
        int k = 32 * chunk + lane % 4 * 8;
#pragma unroll
        for (int i = 0; i < InFlight; i++)
        {
            exists[i] = chunk + i < end && k + 32 * i < p.depth;
            u[i] = loadOnceIf(exists[i], upper + k + 32 * i);
            l[i] = loadOnceIf(exists[i], lower + k + 32 * i);
        }

#pragma unroll
        for (int i = 0; i < InFlight; i++)
        {
            if (i % Ahead == 0)
            {
#pragma unroll
                for (int j = 0; j < Ahead * Tiles; j++)
                {
                    int own = 8 * (j % Tiles) + lane / 4, next = i + j / Tiles;
                    v[j / Tiles][j % Tiles] =
                        loadIf(exists[next] && own < p.rows, x + (long long)own * p.x.pitch + k + 32 * next);
                }
            }

            // Without it the compiler saves registers: it loads and multiplies a chunk, and only then loads the next.
            __syncwarp();
            unsigned first[4] = {u[i].x, l[i].x, u[i].y, l[i].y}, second[4] = {u[i].z, l[i].z, u[i].w, l[i].w};
#pragma unroll
            for (int tile = 0; tile < Tiles; tile++)
            {
                multiplyTile(sums[tile], first, v[i % Ahead][tile].x, v[i % Ahead][tile].y);
                multiplyTile(sums[tile], second, v[i % Ahead][tile].z, v[i % Ahead][tile].w);
            }
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
            float* to = sumsOfBlock + (Round * warp + tile) * TILE + lane / 4 * TILE_PITCH + lane % 4 * 2;
            *(float2*)to = make_float2(sums[round + tile][0], sums[round + tile][1]);
            *(float2*)(to + 8 * TILE_PITCH) = make_float2(sums[round + tile][2], sums[round + tile][3]);
        }

        __syncthreads();
        for (int i = threadIdx.x; i < 128 * Round * tilesOfBlock; i += blockDim.x)
        {
            int z = i / (128 * Round), tile = i / 128 % Round;
            int own = 8 * (round + tile) + i % 128 / 16, column = 16 * (firstTile + z) + i % 16;
            if (own >= p.rows || column >= p.width)
            {
                continue;
            }

            const float* from = sumsOfBlock + (Round * p.splits * z + tile) * TILE + i % 16 * TILE_PITCH + own % 8;
            float y = 0.0f;
            for (int split = 0; split < p.splits; split++)
            {
                y += from[split * Round * TILE];
            }

            y += p.bias.data ? at(p.bias, 0, column) : 0.0f;
            y += p.start.data ? at(p.start, own, column) : 0.0f;
            store(p.y, own, column, y);
        }
    }
}

// Shared memory for the sums of the largest block.
#define SUMS(name, tiles) __align__(16) __shared__ float name[16 * (tiles) * TILE] // 16 warps

extern "C" __global__ void __launch_bounds__(512) product_8(const __grid_constant__ Product arguments)
{
    SUMS(sums, 1);
    product<1, 4>(arguments, sums);
}

extern "C" __global__ void __launch_bounds__(512) product_16(const __grid_constant__ Product arguments)
{
    SUMS(sums, 2);
    product<2, 4>(arguments, sums);
}

extern "C" __global__ void __launch_bounds__(512) product_32(const __grid_constant__ Product arguments)
{
    SUMS(sums, TILES_AT_ONCE);
    product<4, 4>(arguments, sums);
}

extern "C" __global__ void __launch_bounds__(512) product_64(const __grid_constant__ Product arguments)
{
    SUMS(sums, TILES_AT_ONCE);
    product<8, 2>(arguments, sums);
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
