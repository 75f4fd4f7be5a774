#pragma once

#include "Ssd.cuh"

// States before every chunk. A block has the states of HEADS heads, [HEADS·P, N]; a warp 32 channels and 8·NT states
// of them. Tokens come in parts of T. grid: (spans times sets of heads)
template <int P, int N, int HEADS, int WARPS, int T = 32, int STAGES = 4>
struct StatesKernel
{
    static const int CHANNELS = HEADS * P, WARPS_DOWN = CHANNELS / 32, WARPS_ACROSS = WARPS / WARPS_DOWN;
    static const int NT = N / WARPS_ACROSS / 8, PARTS = CHUNK / T, THREADS = 32 * WARPS;
    static const int X_BYTES = T * CHANNELS * 2, B_BYTES = T * N * 2, WEIGHT_BYTES = HEADS * T * 4;
    static const int STAGE = X_BYTES + B_BYTES + WEIGHT_BYTES, SHARED_BYTES = STAGES * STAGE;
    static_assert(WARPS_DOWN * WARPS_ACROSS == WARPS && NT % 4 == 0, "a warp has whole tiles");
    static_assert(P % 32 == 0 && CHANNELS >= 64 && N >= 64, "rows have at least eight pieces");

    // A lane's states: rows g and g + 8 of two tiles of 16 channels, columns 2q and 2q + 1 of NT tiles of 8 states.
    typedef float States[2][NT][4];

    static __device__ __forceinline__ void run(const Ssd& ssd, char* shared)
    {
        int sets = ssd.heads / HEADS, span = blockIdx.x / sets, firstHead = blockIdx.x % sets * HEADS;
        int4 ofSpan = ssd.spans[span];
        int parts = ofSpan.y * PARTS, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
        int down = warp / WARPS_ACROSS, across = warp % WARPS_ACROSS;
        int head = firstHead + down * 32 / P, channel = down * 32 % P;
        long long ofSequence = ((long long)ofSpan.z * ssd.heads + head) * (P * N);
        bool isFirst = ofSpan.w & 1, isLast = ofSpan.w & 2;
        States h = {};
        if (isFirst && ssd.initial)
        {
            loadRows(ssd.initial + ofSequence, h, channel, across, lane);
        }

#pragma unroll
        for (int i = 0; i < STAGES - 1; i++)
        {
            if (i < parts)
            {
                stage(ssd, shared + i * STAGE, ofSpan.x + i / PARTS, i % PARTS, firstHead);
            }

            endGroup();
        }

        for (int i = 0; i < parts; i++)
        {
            waitForGroups<STAGES - 2>();
            __syncthreads();
            int next = i + STAGES - 1;
            if (next < parts)
            {
                stage(ssd, shared + next % STAGES * STAGE, ofSpan.x + next / PARTS, next % PARTS, firstHead);
            }

            endGroup();
            if (i % PARTS == 0)
            {
                int chunk = ofSpan.x + i / PARTS;
                long long cell = (long long)chunk * ssd.heads + head;
                float decay = ssd.decay[cell];
                storeFactors(ssd.before + cell * (P * N), h, channel, across, lane);
                scale(h, decay);
            }

            add(shared + i % STAGES * STAGE, h, down * 32 / P, down, across, lane);
        }

        if (isFirst && isLast)
        {
            if (ssd.final)
            {
                storeRows(ssd.final + ofSequence, h, channel, across, lane);
            }
        }
        else
        {
            storeEnds(ssd.ends + ((long long)span * ssd.heads + head) * (P * N), h, channel, across, lane);
        }
    }

    static __device__ __forceinline__ void stage(const Ssd& ssd, char* to, int chunk, int part, int head)
    {
        int4 ofChunk = ssd.chunks[chunk];
        int start = ofChunk.x + part * T, tokens = ofChunk.y - part * T, group = head / (ssd.heads / ssd.groups);
        const unsigned short *x = rowOf(ssd.x, start) + head * P, *b = rowOf(ssd.b, start) + group * N;
#pragma unroll
        for (int k = 0; k < X_BYTES / 16 / THREADS; k++)
        {
            int i = k * THREADS + threadIdx.x;
            int t = i / (CHANNELS / 8), piece = i % (CHANNELS / 8);
            bool isToken = t < tokens;
            copy16(to + place<2 * CHANNELS>(t, piece), x + (long long)t * ssd.x.pitch + piece * 8, isToken);
        }

#pragma unroll
        for (int k = 0; k < B_BYTES / 16 / THREADS; k++)
        {
            int i = k * THREADS + threadIdx.x;
            int t = i / (N / 8), piece = i % (N / 8);
            bool isToken = t < tokens;
            copy16(to + X_BYTES + place<2 * N>(t, piece), b + (long long)t * ssd.b.pitch + piece * 8, isToken);
        }

        if (threadIdx.x < WEIGHT_BYTES / 16)
        {
            int i = threadIdx.x / (T / 4), t = part * T + threadIdx.x % (T / 4) * 4;
            const float* from = ssd.toEnd + ((long long)chunk * ssd.heads + head + i) * CHUNK + t;
            copy16(to + X_BYTES + B_BYTES + threadIdx.x * 16, from, true);
        }
    }

    static __device__ __forceinline__ void scale(States& h, float decay)
    {
#pragma unroll
        for (int m = 0; m < 2; m++)
        {
#pragma unroll
            for (int n = 0; n < NT; n++)
            {
#pragma unroll
                for (int e = 0; e < 4; e++)
                {
                    h[m][n][e] *= decay;
                }
            }
        }
    }

    // h += (weight·x)ᵀ·B over the T tokens of a part.
    static __device__ __forceinline__ void add(
        const char* from, States& h, int headOfSet, int down, int across, int lane)
    {
        const float* weights = (const float*)(from + X_BYTES + B_BYTES) + headOfSet * T + lane % 4 * 2;
#pragma unroll
        for (int s = 0; s < T; s += 16)
        {
            float2 first = *(const float2*)(weights + s), second = *(const float2*)(weights + s + 8);
            unsigned x[2][4];
#pragma unroll
            for (int m = 0; m < 2; m++)
            {
                int piece = down * 4 + m * 2 + lane / 8 % 2;
                loadTransposed(x[m], from + place<2 * CHANNELS>(s + lane % 8 + lane / 16 * 8, piece));
#pragma unroll
                for (int i = 0; i < 4; i++)
                {
                    float2 weight = i < 2 ? first : second;
                    x[m][i] = pack(low(x[m][i]) * weight.x, high(x[m][i]) * weight.y);
                }
            }

#pragma unroll
            for (int n = 0; n < NT; n += 2)
            {
                unsigned b[4];
                loadTransposed(b, from + X_BYTES + place<2 * N>(s + lane % 16, across * NT + n + lane / 16));
#pragma unroll
                for (int m = 0; m < 2; m++)
                {
                    multiply(h[m][n], x[m], b[0], b[1]);
                    multiply(h[m][n + 1], x[m], b[2], b[3]);
                }
            }
        }
    }

    // Two adjacent states of rows [P, N] of a head.
    static __device__ __forceinline__ int pairAt(int m, int half, int n, int channel, int across, int lane)
    {
        return (channel + m * 16 + half * 8 + lane / 4) * N + (across * NT + n) * 8 + lane % 4 * 2;
    }

    static __device__ __forceinline__ void loadRows(const float* from, States& h, int channel, int across, int lane)
    {
#pragma unroll
        for (int i = 0; i < 4 * NT; i++)
        {
            int m = i / NT / 2, half = i / NT % 2, n = i % NT;
            float2 two = *(const float2*)(from + pairAt(m, half, n, channel, across, lane));
            h[m][n][2 * half] = two.x;
            h[m][n][2 * half + 1] = two.y;
        }
    }

    static __device__ __forceinline__ void storeRows(float* to, const States& h, int channel, int across, int lane)
    {
#pragma unroll
        for (int i = 0; i < 4 * NT; i++)
        {
            int m = i / NT / 2, half = i / NT % 2, n = i % NT;
            *(float2*)(to + pairAt(m, half, n, channel, across, lane)) =
                make_float2(h[m][n][2 * half], h[m][n][2 * half + 1]);
        }
    }

    static __device__ __forceinline__ void storeFactors(
        unsigned short* to, const States& h, int channel, int across, int lane)
    {
#pragma unroll
        for (int i = 0; i < NT; i++)
        {
            int m = i / (NT / 4) / 2, half = i / (NT / 4) % 2, n = i % (NT / 4) * 4;
            unsigned four[4];
#pragma unroll
            for (int j = 0; j < 4; j++)
            {
                four[j] = pack(h[m][n + j][2 * half], h[m][n + j][2 * half + 1]);
            }

            int tile = channel / 8 + 2 * m + half;
            *(uint4*)(to + fragment(tile, (across * NT + n) / 4, N, lane)) =
                make_uint4(four[0], four[1], four[2], four[3]);
        }
    }

    static __device__ __forceinline__ void storeEnds(float* to, const States& h, int channel, int across, int lane)
    {
#pragma unroll
        for (int i = 0; i < 4 * NT; i++)
        {
            int m = i / NT / 2, half = i / NT % 2, n = i % NT;
            int tile = channel / 8 + 2 * m + half;
            *(float2*)(to + fragment(tile, (across * NT + n) / 4, N, lane) + n % 4 * 2) =
                make_float2(h[m][n][2 * half], h[m][n][2 * half + 1]);
        }
    }
};
