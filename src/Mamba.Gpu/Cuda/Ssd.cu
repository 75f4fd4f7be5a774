// The kernels of the SSD that do not depend on the sizes of a head; see Ssd.cuh.
#include "Ssd.cuh"

// Δ and the sums of log decays. A thread has a tile of a head, a warp 32 heads. grid: (chunk, 32 heads)
extern "C" __global__ void __launch_bounds__(32 * TILES) ssdSteps(const __grid_constant__ Ssd arguments)
{
    const Ssd& ssd = arguments;
    const float log2e = 1.44269504f;
    __shared__ float totals[TILES][32];
    int lane = threadIdx.x % 32, tile = threadIdx.x / 32, chunk = blockIdx.x, head = blockIdx.y * 32 + lane;
    int4 ofChunk = ssd.chunks[chunk];
    int start = ofChunk.x + tile * TILE, tokens = head < ssd.heads ? ofChunk.y - tile * TILE : 0;
    float a = tokens > 0 && ssd.a.data ? at(ssd.a, 0, head) : 0.0f;
    float bias = tokens > 0 && ssd.bias.data ? at(ssd.bias, 0, head) : 0.0f;
    a = ssd.isLog ? -expf(a) : a;
    float step[TILE], local[TILE], sum = 0.0f;
#pragma unroll
    for (int t = 0; t < TILE; t++)
    {
        step[t] = t < tokens ? at(ssd.delta, start + t, head) : 0.0f;
    }

#pragma unroll
    for (int t = 0; t < TILE; t++)
    {
        float exponent = 0.0f;
        if (t < tokens)
        {
            float value = step[t] + bias;
            value = ssd.softplus ? fmaxf(value, 0.0f) + log1pf(expf(-fabsf(value))) : value;
            step[t] = value < ssd.least ? ssd.least : value > ssd.greatest ? ssd.greatest : value;
            exponent = ssd.logDecay.data ? at(ssd.logDecay, start + t, head) : step[t] * a;

            // exp(-200) is 0 in float32. With -∞ in a sum, differences would be -∞ + ∞. NaN stays NaN.
            exponent = exponent < -200.0f ? -200.0f : exponent > 0.0f ? 0.0f : exponent;
        }

        sum += exponent * log2e;
        local[t] = sum;
    }

    totals[tile][lane] = sum;
    __syncthreads();
    float after = 0.0f;
#pragma unroll
    for (int i = TILES - 1; i > 0; i--)
    {
        after += i > tile ? totals[i][lane] : 0.0f;
    }

    if (head >= ssd.heads)
    {
        return;
    }

    long long cell = (long long)chunk * ssd.heads + head, first = cell * CHUNK + tile * TILE;
    if (tile == 0)
    {
        ssd.decay[cell] = exp2Fast(sum + after);
    }

#pragma unroll
    for (int t = 0; t < TILE; t += 4)
    {
        float weight[4];
#pragma unroll
        for (int i = 0; i < 4; i++)
        {
            weight[i] = step[t + i] * exp2Fast((sum - local[t + i]) + after);
        }

        *(float4*)(ssd.step + first + t) = make_float4(step[t], step[t + 1], step[t + 2], step[t + 3]);
        *(float4*)(ssd.local + first + t) = make_float4(local[t], local[t + 1], local[t + 2], local[t + 3]);
        *(float4*)(ssd.toEnd + first + t) = make_float4(weight[0], weight[1], weight[2], weight[3]);
    }

    if (ssd.diagonal.data)
    {
#pragma unroll
        for (int t = 0; t < TILE; t++)
        {
            ssd.own[first + t] = t < tokens ? at(ssd.diagonal, start + t, head) : 0.0f;
        }
    }
}

// The place, in rows [P, N], of the first of eight elements that `fragment` keeps adjacent; the others come in pairs,
// eight apart.
__device__ __forceinline__ int placeOf(int index, int states)
{
    int lane = index / 8 % 32, tile = index / 256, tiles = states / 32;
    return (tile / tiles * 8 + lane / 4) * states + tile % tiles * 32 + lane % 4 * 2;
}

// For sequences of several spans, the state before each span in place of the one that its own tokens leave, and the
// state after the sequence. A thread has four elements. grid: (span, head)
extern "C" __global__ void __launch_bounds__(256) ssdSpans(const __grid_constant__ Ssd arguments)
{
    const Ssd& ssd = arguments;
    int size = ssd.headDim * ssd.states;
    int span = blockIdx.x, head = blockIdx.y, sequence = ssd.spans[span].z;
    if (ssd.spans[span].w != 1)
    {
        return; // it is not a first span that others follow
    }

    for (int i = threadIdx.x * 4; i < size; i += blockDim.x * 4)
    {
        float4 h = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        int s = span, end;
        bool isLast = false;
        for (; !isLast; s++)
        {
            int4 ofSpan = ssd.spans[s];
            isLast = ofSpan.w & 2;
            end = ofSpan.x + ofSpan.y;
            float decay = 1.0f;
            for (int chunk = ofSpan.x; chunk < end; chunk++)
            {
                decay *= ssd.decay[(long long)chunk * ssd.heads + head];
            }

            float4* place = (float4*)(ssd.ends + ((long long)s * ssd.heads + head) * size + i);
            float4 own = *place;
            *place = h;
            h.x = h.x * decay + own.x;
            h.y = h.y * decay + own.y;
            h.z = h.z * decay + own.z;
            h.w = h.w * decay + own.w;
        }

        int row = placeOf(i, ssd.states) + i % 8 * 4;
        if (ssd.final)
        {
            float* to = ssd.final + ((long long)sequence * ssd.heads + head) * size + row;
            *(float2*)to = make_float2(h.x, h.y);
            *(float2*)(to + 8) = make_float2(h.z, h.w);
        }
    }
}

// Adds the decayed state before a span to the states before its chunks. grid: (chunk, head)
extern "C" __global__ void __launch_bounds__(256) ssdCarry(const __grid_constant__ Ssd arguments)
{
    const Ssd& ssd = arguments;
    int size = ssd.headDim * ssd.states;
    int chunk = blockIdx.x, head = blockIdx.y, span = ssd.chunks[chunk].w;
    int4 ofSpan = ssd.spans[span];
    if (ofSpan.w & 1)
    {
        return;
    }

    float decay = 1.0f;
    for (int i = ofSpan.x; i < chunk; i++)
    {
        decay *= ssd.decay[(long long)i * ssd.heads + head];
    }

    for (int i = threadIdx.x * 8; i < size; i += blockDim.x * 8)
    {
        const float4* from = (const float4*)(ssd.ends + ((long long)span * ssd.heads + head) * size + i);
        float4 first = from[0], second = from[1];
        uint4* to = (uint4*)(ssd.before + ((long long)chunk * ssd.heads + head) * size + i);
        uint4 h = *to;
        h.x = pack(low(h.x) + decay * first.x, high(h.x) + decay * first.y);
        h.y = pack(low(h.y) + decay * first.z, high(h.y) + decay * first.w);
        h.z = pack(low(h.z) + decay * second.x, high(h.z) + decay * second.y);
        h.w = pack(low(h.w) + decay * second.z, high(h.w) + decay * second.w);
        *to = h;
    }
}
