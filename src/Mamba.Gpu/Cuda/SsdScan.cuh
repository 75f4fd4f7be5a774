#pragma once

#include "Ssd.cuh"

// Outputs of a chunk for headsOfBlock heads of a group. Each of eight warps has a tile of tokens. Warps w and w + 4,
// which share a scheduler, have tiles 0 and 7, 1 and 6, …: the same work. grid: (chunks times groups times sets of
// heads)
template <int P, int N>
struct ScanKernel
{
    static const int THREADS = 32 * TILES, PT = P / 8;
    static const int X_BYTES = CHUNK * P * 2, H_BYTES = P * N * 2, VECTOR = CHUNK * 4, B_BYTES = CHUNK * N * 2;
    static const int STAGE = 2 * X_BYTES + H_BYTES + 3 * VECTOR;
    static const int SHARED_BYTES = 2 * STAGE > 2 * B_BYTES ? 2 * STAGE : 2 * B_BYTES;
    static_assert(P % 64 == 0 && N % 64 == 0, "rows have at least eight pieces");
    static_assert(THREADS >= 3 * VECTOR / 16, "a thread copies at most 16 bytes of the vectors");

    // What a warp keeps for all heads: its rows of C, and C·Bᵀ with the tiles before its own and with its own.
    struct Factors
    {
        unsigned c[N / 16][4], before[TILES - 1][4], own[4];
    };

    typedef float Outputs[PT][4];

    static __device__ __forceinline__ void run(const Ssd& ssd, char* shared)
    {
        int ofGroup = ssd.heads / ssd.groups, sets = (ofGroup + ssd.headsOfBlock - 1) / ssd.headsOfBlock;
        int chunk = blockIdx.x / (ssd.groups * sets), group = blockIdx.x / sets % ssd.groups;
        int first = group * ofGroup + blockIdx.x % sets * ssd.headsOfBlock;
        int last = min(first + ssd.headsOfBlock, (group + 1) * ofGroup);
        int4 ofChunk = ssd.chunks[chunk];
        int start = ofChunk.x, tokens = ofChunk.y, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        int tile = warp < TILES / 2 ? warp : TILES + TILES / 2 - 1 - warp;
        Factors factors;
        couple(ssd, shared, factors, start, tokens, group, tile, lane);
        __syncthreads();
        stage(ssd, shared, chunk, start, tokens, first);
        endGroup();
        for (int head = first; head < last; head++)
        {
            waitForGroups<0>();
            __syncthreads();
            char* now = shared + (head - first) % 2 * STAGE;
            if (head + 1 < last)
            {
                stage(ssd, shared + (head + 1 - first) % 2 * STAGE, chunk, start, tokens, head + 1);
            }

            endGroup();
            scan(ssd, now, factors, start, tokens, head, tile, lane);
        }
    }

    static __device__ __forceinline__ void couple(
        const Ssd& ssd, char* shared, Factors& factors, int start, int tokens, int group, int tile, int lane)
    {
        const unsigned short *b = rowOf(ssd.b, start) + group * N, *c = rowOf(ssd.c, start) + group * N;
#pragma unroll
        for (int k = 0; k < B_BYTES / 16 / THREADS; k++)
        {
            int i = k * THREADS + threadIdx.x;
            int t = i / (N / 8), piece = i % (N / 8);
            bool isToken = t < tokens;
            char* to = shared + place<2 * N>(t, piece);
            copy16(to, c + (long long)t * ssd.c.pitch + piece * 8, isToken);
            copy16(to + B_BYTES, b + (long long)t * ssd.b.pitch + piece * 8, isToken);
        }

        endGroup();
        waitForGroups<0>();
        __syncthreads();
#pragma unroll
        for (int k = 0; k < N / 16; k++)
        {
            loadFactors(factors.c[k], shared + place<2 * N>(tile * TILE + lane % 16, 2 * k + lane / 16));
        }

#pragma unroll
        for (int i = 0; i < TILES; i++)
        {
            if (i > tile)
            {
                continue;
            }

            float sums[2][4] = {};
#pragma unroll
            for (int k = 0; k < N / 16; k++)
            {
                unsigned four[4];
                int row = i * TILE + lane % 8 + lane / 16 * 8;
                loadFactors(four, shared + B_BYTES + place<2 * N>(row, 2 * k + lane / 8 % 2));
                multiply(sums[0], factors.c[k], four[0], four[1]);
                multiply(sums[1], factors.c[k], four[2], four[3]);
            }

#pragma unroll
            for (int j = 0; j < 4; j++)
            {
                unsigned two = pack(sums[j / 2][j % 2 * 2], sums[j / 2][j % 2 * 2 + 1]);
                if (i == tile)
                {
                    factors.own[j] = two;
                }
                else if (i < TILES - 1)
                {
                    factors.before[i][j] = two;
                }
            }
        }
    }

    // Copies x, z, the state and the vectors of a head. The place of z is also that of y.
    static __device__ __forceinline__ void stage(
        const Ssd& ssd, char* to, int chunk, int start, int tokens, int head)
    {
        const unsigned short *x = rowOf(ssd.x, start) + head * P, *z = rowOf(ssd.z, start) + head * P;
#pragma unroll
        for (int k = 0; k < X_BYTES / 16 / THREADS; k++)
        {
            int i = k * THREADS + threadIdx.x;
            int t = i / PT, piece = i % PT;
            bool isToken = t < tokens;
            char* target = to + place<2 * P>(t, piece);
            copy16(target, x + (long long)t * ssd.x.pitch + piece * 8, isToken);
            if (ssd.z.data)
            {
                copy16(target + X_BYTES, z + (long long)t * ssd.z.pitch + piece * 8, isToken);
            }
        }

        long long cell = (long long)chunk * ssd.heads + head;
        const unsigned short* h = ssd.before + cell * (P * N);
#pragma unroll
        for (int k = 0; k < H_BYTES / 16 / THREADS; k++)
        {
            int i = k * THREADS + threadIdx.x;
            copy16(to + 2 * X_BYTES + i * 16, h + i * 8, true);
        }

        if (threadIdx.x < 3 * VECTOR / 16)
        {
            const float* vector = threadIdx.x < 32 ? ssd.local : threadIdx.x < 64 ? ssd.step : ssd.own;
            copy16(
                to + 2 * X_BYTES + H_BYTES + threadIdx.x * 16, vector + cell * CHUNK + threadIdx.x % 32 * 4, true);
        }
    }

    static __device__ __forceinline__ void scan(
        const Ssd& ssd, char* now, Factors& factors, int start, int tokens, int head, int tile, int lane)
    {
        int q = lane % 4;
        const char *x = now, *h = now + 2 * X_BYTES;
        const float *local = (const float*)(h + H_BYTES), *step = local + CHUNK;
        Outputs y = {};

        // C·h, decayed from the chunk's start to the tile's.
#pragma unroll
        for (int k = 0; k < N / 32; k++)
        {
#pragma unroll
            for (int p = 0; p < PT; p++)
            {
                uint4 four = *(const uint4*)(h + fragment(p, k, N, lane) * 2);
                multiply(y[p], factors.c[2 * k], four.x, four.y);
                multiply(y[p], factors.c[2 * k + 1], four.z, four.w);
            }
        }

        float sum = 0.0f;
        for (int i = 0; i < tile; i++)
        {
            sum += local[i * TILE + TILE - 1];
        }

        float decay = exp2Fast(sum);
        scale(y, decay, decay);

        // The tiles before: C·Bᵀ times Δ and the decay from each token to the start of the warp's tile, times x.
        float between = 0.0f;
#pragma unroll
        for (int i = TILES - 2; i >= 0; i--)
        {
            if (i >= tile)
            {
                continue;
            }

            between += local[i * TILE + TILE - 1];
            const float *sums = local + i * TILE + 2 * q, *steps = step + i * TILE + 2 * q;
            unsigned mix[4];
#pragma unroll
            for (int j = 0; j < 2; j++)
            {
                float2 sumsOf = *(const float2*)(sums + 8 * j), stepsOf = *(const float2*)(steps + 8 * j);
                float first = stepsOf.x * exp2Fast(between - sumsOf.x);
                float second = stepsOf.y * exp2Fast(between - sumsOf.y);
#pragma unroll
                for (int half = 2 * j; half < 2 * j + 2; half++)
                {
                    unsigned& pairs = factors.before[i][half];
                    hide(pairs);
                    mix[half] = pack(low(pairs) * first, high(pairs) * second);
                }
            }

            add(y, mix, x, i, lane);
        }

        // All of that decayed to the tokens of the tile, then the tile itself.
        const float* sums = local + tile * TILE;
        scale(y, exp2Fast(sums[lane / 4]), exp2Fast(sums[lane / 4 + 8]));
        unsigned mix[4];
        mixOwn(mix, factors.own, sums, lane);
        add(y, mix, x, tile, lane);
        write(ssd, y, now, start, tokens, head, tile, lane);
    }

    // C·Bᵀ of a tile with itself, times Δ and the decays between its tokens; `own` on the diagonal, 0 above it.
    static __device__ __forceinline__ void mixOwn(
        unsigned (&mix)[4], unsigned (&pairs)[4], const float* local, int lane)
    {
        const float *step = local + CHUNK, *own = step + CHUNK;
#pragma unroll
        for (int j = 0; j < 4; j++)
        {
            int t = j % 2 * 8 + lane / 4, s = j / 2 * 8 + lane % 4 * 2;
            float to = local[t], same = own[t];
            float2 from = *(const float2*)(local + s), steps = *(const float2*)(step + s);
            float w0 = s < t ? exp2Fast(to - from.x) * steps.x : s == t ? same : 0.0f;
            float w1 = s + 1 < t ? exp2Fast(to - from.y) * steps.y : s + 1 == t ? same : 0.0f;
            hide(pairs[j]);
            mix[j] = pack(low(pairs[j]) * w0, high(pairs[j]) * w1);
        }
    }

    // y += mix·x, with x of a tile.
    static __device__ __forceinline__ void add(
        Outputs& y, const unsigned (&mix)[4], const char* x, int tile, int lane)
    {
#pragma unroll
        for (int p = 0; p < PT; p += 2)
        {
            unsigned four[4];
            loadTransposed(four, x + place<2 * P>(tile * TILE + lane % 16, p + lane / 16));
            multiply(y[p], mix, four[0], four[1]);
            multiply(y[p + 1], mix, four[2], four[3]);
        }
    }

    static __device__ __forceinline__ void scale(Outputs& y, float first, float second)
    {
#pragma unroll
        for (int p = 0; p < PT; p++)
        {
            y[p][0] *= first;
            y[p][1] *= first;
            y[p][2] *= second;
            y[p][3] *= second;
        }
    }

    // Adds D·x, multiplies by the gate, and stores. The tile goes through the place of z, which only this warp reads,
    // because its lanes store 16 bytes each from there.
    static __device__ __forceinline__ void write(
        const Ssd& ssd, const Outputs& y, char* now, int start, int tokens, int head, int tile, int lane)
    {
        const char* x = now;
        char* gate = now + X_BYTES;
        bool ofHead = ssd.d.data && !ssd.perChannel;
        float d0 = ofHead ? at(ssd.d, 0, head) : 0.0f, d1 = d0;
#pragma unroll
        for (int p = 0; p < PT; p++)
        {
            if (ssd.perChannel)
            {
                d0 = at(ssd.d, 0, head * P + p * 8 + lane % 4 * 2);
                d1 = at(ssd.d, 0, head * P + p * 8 + lane % 4 * 2 + 1);
            }

#pragma unroll
            for (int half = 0; half < 2; half++)
            {
                int from = place<2 * P>(tile * TILE + half * 8 + lane / 4, p) + lane % 4 * 4;
                unsigned ofX = *(const unsigned*)(x + from);
                float first = y[p][2 * half] + d0 * low(ofX), second = y[p][2 * half + 1] + d1 * high(ofX);
                if (ssd.z.data)
                {
                    unsigned ofZ = *(const unsigned*)(gate + from);
                    first *= silu(low(ofZ));
                    second *= silu(high(ofZ));
                }

                *(unsigned*)(gate + from) = pack(first, second);
            }
        }

        __syncwarp();
        unsigned short* to = (unsigned short*)rowOf(ssd.y, start) + head * P;
#pragma unroll
        for (int k = 0; k < TILE * PT / 32; k++)
        {
            int i = k * 32 + lane, t = tile * TILE + i / PT;
            if (t < tokens)
            {
                *(uint4*)(to + (long long)t * ssd.y.pitch + i % PT * 8) =
                    *(const uint4*)(gate + place<2 * P>(t, i % PT));
            }
        }
    }

    static __device__ __forceinline__ float silu(float x)
    {
        return x / (1.0f + exp2Fast(-1.44269504f * x));
    }
};
