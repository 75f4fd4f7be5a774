// The selective scan of Mamba-1 (Gu and Dao, arXiv:2312.00752, Algorithm 2) for real states, 16 of each channel:
//
//   h_t = exp(Δ_t·A)·h_{t-1} + Δ_t·B_t·x_t,   y_t = (C_t·h_t + D·x_t)·silu(z_t)
//
// A block computes 128 channels of one sequence, a thread the states of one channel (or half of them): h and A stay in
// registers over all tokens, and nothing but x, Δ, z, y, B and C touches memory. Tokens are processed in tiles of 16.
// While a tile is computed, the next one is already being loaded into registers. B and C of a tile, which all channels
// share, stand in shared memory.
//
// Tokens run in order and every operation rounds by itself (explicit intrinsics, so that the compiler fuses nothing on
// its own), so a sequence gives the same bits however it is split.

#include "Rows.cuh"

#define LANES 128
#define STATES 16
#define TILE 16
#define LOG2E 1.44269504f
#define LN2 0.693147181f

struct Scan
{
    Rows x, delta, z, b, c; // z may be absent
    Rows a, d, bias; // a: [states, channels]; d and bias may be absent
    Sequences sequences;
    int channels;
    int groups; // of channels that share B and C
    int tiles; // blocks for the channels of a group
    int softplus;
    int isLog; // A is given as log(-A)
};

struct ScanForward
{
    Scan scan;
    Rows y;
    const float* initial; // [rows, states, channels]; may be absent
    float* final; // the same; may be the initial state
    float* checkpoints; // h before every tile; may be absent
    float* steps; // of a summary: ΣΔ, [sequence, channels]
};

// 2^x without the special-function unit, of which a multiprocessor has few: 2^x = 2^round(x)·2^rest, the second factor
// by a polynomial, the first by an addition to its exponent. Relative error 3e-7.
__device__ __forceinline__ float exp2Polynomial(float x)
{
    x = fmaxf(x, -126.0f);
    float shifted = __fadd_rn(x, 12582912.0f); // 1.5·2^23: the lowest bits are now round(x)
    float rest = __fsub_rn(x, __fsub_rn(shifted, 12582912.0f));
    float p = 1.33335581e-3f;
    p = __fmaf_rn(p, rest, 9.61812911e-3f);
    p = __fmaf_rn(p, rest, 5.55041087e-2f);
    p = __fmaf_rn(p, rest, 2.40226507e-1f);
    p = __fmaf_rn(p, rest, 6.93147181e-1f);
    p = __fmaf_rn(p, rest, 1.0f);
    return __int_as_float(__float_as_int(p) + (__float_as_int(shifted) << 23));
}

// The decay 2^x. The unit's 2^x may be off by 2e-7, and near 0 a decay is repeated thousands of times: at x = -1e-4 the
// state would be off by 2e-3. There the first terms of the series are exact to 1e-8. For bfloat16 inputs, which are off
// by 2e-3 themselves, that correction is left out.
template <bool Exact>
__device__ __forceinline__ float decay(float x)
{
    if (!Exact)
    {
        return exp2Fast(x);
    }

    float near = __fmaf_rn(5.55041087e-2f, x, 0.240226507f);
    near = __fmaf_rn(near, x, 0.693147181f);
    near = __fmaf_rn(near, x, 1.0f);
    return fabsf(x) < 0.03125f ? near : exp2Fast(x);
}

template <bool Exact>
__device__ __forceinline__ float softplus(float x)
{
    if (x > 20.0f)
    {
        return x;
    }

    if (Exact)
    {
        return log1pf(expf(x));
    }

    float e = __expf(x);
    float series = __fmul_rn(e, __fmaf_rn(e, __fmaf_rn(e, 0.333333333f, -0.5f), 1.0f));
    return e < 0.01f ? series : __logf(1.0f + e);
}

template <bool Exact>
__device__ __forceinline__ float sigmoid(float x)
{
    return Exact ? 1.0f / (1.0f + expf(-x)) : __fdividef(1.0f, 1.0f + __expf(-x));
}

// A thread's channel and states. Lanes, along x, are neighbouring channels; slots, along y, divide a channel's states.
struct Place
{
    int sequence, tile, group, channel, first, length;
    bool inside;

    __device__ Place(const Scan& scan)
    {
        tile = blockIdx.x % scan.tiles;
        int row = blockIdx.x / scan.tiles;
        sequence = row / scan.groups;
        group = row % scan.groups;
        int perGroup = scan.channels / scan.groups, lane = tile * LANES + threadIdx.x;
        inside = lane < perGroup;
        channel = group * perGroup + min(lane, perGroup - 1);
        const Sequences& all = scan.sequences;
        first = all.offsets ? all.offsets[sequence] : sequence * all.length;
        length = all.offsets ? all.offsets[sequence + 1] - first : all.length;
    }
};

// The words of a tile that one thread loads: of tokens slot, slot + Slots, … of its channel.
template <int Slots>
struct TokenWords
{
    unsigned x[TILE / Slots], delta[TILE / Slots], z[TILE / Slots];

    // Zeros past the end of the sequence.
    __device__ __forceinline__ static void load(
        unsigned (&words)[TILE / Slots], const Rows& rows, const Place& place, int start)
    {
        if (rows.narrow)
        {
            load(words, (const unsigned short*)rows.data, rows.pitch, place, start);
        }
        else
        {
            load(words, (const unsigned*)rows.data, rows.pitch, place, start);
        }
    }

    template <typename TWord>
    __device__ __forceinline__ static void load(
        unsigned (&words)[TILE / Slots], const TWord* data, int pitch, const Place& place, int start)
    {
#pragma unroll
        for (int k = 0; k < TILE / Slots; k++)
        {
            int t = start + (int)threadIdx.y + k * Slots;
            words[k] = t < place.length ? data[(long long)(place.first + t) * pitch + place.channel] : 0;
        }
    }

    __device__ __forceinline__ void load(const Scan& scan, const Place& place, int start, bool withZ = true)
    {
        load(x, scan.x, place, start);
        load(delta, scan.delta, place, start);
        if (withZ && scan.z.data)
        {
            load(z, scan.z, place, start);
        }
    }
};

// The words of B and C of a tile that one thread loads for its block: numbers i, i + threads, … of [token, B and C].
template <int Slots>
struct CouplingWords
{
    static const int Count = TILE * 2 * STATES / (LANES * Slots);
    unsigned words[Count];

    __device__ __forceinline__ void load(const Scan& scan, const Place& place, int start)
    {
        int column = threadIdx.x % STATES;
        bool isC = threadIdx.x % (2 * STATES) >= STATES;
        const Rows& rows = isC ? scan.c : scan.b;
#pragma unroll
        for (int k = 0; k < Count; k++)
        {
            int t = start + (threadIdx.x + LANES * (threadIdx.y + Slots * k)) / (2 * STATES);
            words[k] = t < place.length ? word(rows, place.first + t, place.group * STATES + column) : 0;
        }
    }

    __device__ __forceinline__ void store(const Scan& scan, float* couplings) const
    {
        bool isC = threadIdx.x % (2 * STATES) >= STATES;
        int narrow = isC ? scan.c.narrow : scan.b.narrow;
#pragma unroll
        for (int k = 0; k < Count; k++)
        {
            couplings[threadIdx.x + LANES * (threadIdx.y + Slots * k)] = value(words[k], narrow);
        }
    }
};

__device__ __forceinline__ float loadA(const Scan& scan, int n, int channel)
{
    float a = at(scan.a, n, channel);
    return scan.isLog ? -expf(a) : a;
}

// Polynomials: number of a thread's decays that the multiply-add units compute. Summary: only the final states and the
// sums of Δ are computed, from which the states before the spans of a long sequence follow, so that all spans can be
// scanned at once.
template <bool Exact, int Slots, int Polynomials, bool Summary>
__device__ __forceinline__ void scanForward(const ScanForward& arguments)
{
    const int own = STATES / Slots, mine = TILE / Slots;
    __shared__ float2 steps[TILE][LANES]; // Δ and Δ·x
    __shared__ float sums[TILE * Slots][LANES]; // C·h of a slot's states
    __shared__ float4 couplings[2][TILE][STATES / 2]; // B, then C, of a tile and of the next
    const Scan& scan = arguments.scan;
    const Place place(scan);
    const int lane = threadIdx.x, slot = threadIdx.y, channel = place.channel;
    float a[own], h[own];
    long long state = (long long)(scan.sequences.slots ? scan.sequences.slots[place.sequence] : place.sequence)
        * STATES + slot * own;
#pragma unroll
    for (int n = 0; n < own; n++)
    {
        a[n] = __fmul_rn(loadA(scan, slot * own + n, channel), LOG2E);
        h[n] = arguments.initial ? arguments.initial[(state + n) * scan.channels + channel] : 0.0f;
    }

    float bias = scan.bias.data ? at(scan.bias, 0, channel) : 0.0f;
    float d = scan.d.data ? at(scan.d, 0, channel) : 0.0f, sumOfSteps = 0.0f;
    long long checkpoint = ((long long)(place.first / TILE) + place.sequence) * STATES + slot * own;
    TokenWords<Slots> tokens;
    CouplingWords<Slots> pairs;
    if (place.length > 0)
    {
        tokens.load(scan, place, 0, !Summary);
        pairs.load(scan, place, 0);
    }

    int buffer = 0;
    for (int start = 0; start < place.length; start += TILE, buffer ^= 1)
    {
        if (!Summary && arguments.checkpoints && place.inside)
        {
#pragma unroll
            for (int n = 0; n < own; n++)
            {
                arguments.checkpoints[(checkpoint + n) * scan.channels + channel] = h[n];
            }
        }

        checkpoint += STATES;
        float skip[mine], gate[mine];
#pragma unroll
        for (int k = 0; k < mine; k++)
        {
            float x = value(tokens.x[k], scan.x.narrow);
            float delta = __fadd_rn(value(tokens.delta[k], scan.delta.narrow), bias);
            delta = scan.softplus ? softplus<Exact>(delta) : delta;
            steps[slot + k * Slots][lane] = make_float2(delta, __fmul_rn(delta, x));
            skip[k] = __fmul_rn(d, x);
            gate[k] = 1.0f;
            if (!Summary && scan.z.data)
            {
                float z = value(tokens.z[k], scan.z.narrow);
                gate[k] = __fmul_rn(z, sigmoid<Exact>(z));
            }
        }

        pairs.store(scan, (float*)couplings[buffer]);
        __syncthreads();
        if (start + TILE < place.length)
        {
            tokens.load(scan, place, start + TILE, !Summary);
            pairs.load(scan, place, start + TILE);
        }

#pragma unroll 4
        for (int t = 0; t < TILE; t++)
        {
            if (start + t >= place.length)
            {
                break;
            }

            float2 step = steps[t][lane];
            float y[4] = {0.0f, 0.0f, 0.0f, 0.0f};
            sumOfSteps = __fadd_rn(sumOfSteps, step.x);
#pragma unroll
            for (int q = 0; q < own / 4; q++)
            {
                float4 b4 = couplings[buffer][t][slot * own / 4 + q];
                float4 c4 = couplings[buffer][t][STATES / 4 + slot * own / 4 + q];
                float b[4] = {b4.x, b4.y, b4.z, b4.w}, c[4] = {c4.x, c4.y, c4.z, c4.w};
#pragma unroll
                for (int i = 0; i < 4; i++)
                {
                    int n = 4 * q + i;
                    float exponent = __fmul_rn(a[n], step.x);
                    float kept = n < Polynomials ? exp2Polynomial(exponent) : decay<Exact>(exponent);
                    h[n] = __fmaf_rn(kept, h[n], __fmul_rn(b[i], step.y));
                    y[i] = __fmaf_rn(c[i], h[n], y[i]);
                }
            }

            if (Summary)
            {
                continue;
            }

            sums[t * Slots + slot][lane] = __fadd_rn(__fadd_rn(y[0], y[1]), __fadd_rn(y[2], y[3]));
        }

        if (Slots > 1)
        {
            __syncthreads();
        }

#pragma unroll
        for (int k = 0; k < mine; k++)
        {
            int t = slot + k * Slots;
            if (!Summary && start + t < place.length && place.inside)
            {
                float y = skip[k];
#pragma unroll
                for (int other = 0; other < Slots; other++)
                {
                    y = __fadd_rn(y, sums[t * Slots + other][lane]);
                }

                store(arguments.y, place.first + start + t, channel, __fmul_rn(y, gate[k]));
            }
        }
    }

    if (place.inside)
    {
#pragma unroll
        for (int n = 0; n < own; n++)
        {
            arguments.final[(state + n) * scan.channels + channel] = h[n];
        }

        if (Summary && slot == 0)
        {
            arguments.steps[(long long)place.sequence * scan.channels + channel] = sumOfSteps;
        }
    }
}

struct ScanBackward
{
    Scan scan;
    const float* checkpoints; // h before every tile
    Rows gradientY; // gradients of the outputs; each may be absent
    const float* gradientFinal;
    Rows gradientX, gradientDelta, gradientZ; // added to; each may be absent
    float* gradientInitial; // added to
    float* gradientA; // [sequence, states, channels]; set
    float* gradientB; // [tile, token, groups·states]; set
    float* gradientC;
    float* gradientD; // [sequence, channels]; set
    float* gradientBias;
    long long tokens; // of all sequences
};

// Sums over a warp of 32 values of each thread: lane i returns the sum of value i. Every step halves the values: a lane
// keeps one half and hands the other to its partner.
template <int Half = 16>
__device__ __forceinline__ float warpSums(float (&values)[32])
{
    bool upper = threadIdx.x & Half;
#pragma unroll
    for (int i = 0; i < Half; i++)
    {
        float given = upper ? values[i] : values[i + Half], kept = upper ? values[i + Half] : values[i];
        values[i] = __fadd_rn(kept, __shfl_xor_sync(0xFFFFFFFFu, given, Half));
    }

    if constexpr (Half > 1)
    {
        return warpSums<Half / 2>(values);
    }

    return values[0];
}

// The gradients of a scan, with g_t = C_t·gy_t + exp(Δ_{t+1}·A)·g_{t+1}, that of h_t. Tiles run from the last to the
// first. A thread takes a few states at a time (Few): it recomputes h over the tile from the checkpoint before it, in
// registers, and then runs back over the tile.
template <int Slots, int Few>
struct BackwardShared
{
    float2 steps[TILE][LANES]; // Δ and Δ·x
    float gradientY[TILE][LANES]; // before the gate
    float4 couplings[TILE][STATES / 2];
    float a[STATES][LANES], carry[STATES][LANES], gradientA[STATES][LANES];
    float parts[3][TILE][LANES]; // of a slot for the tokens of the others
    float pairs[LANES / 32][TILE][2 * STATES]; // sums over a warp for B and C
};

// Keep: whether the decays of the tile stay in registers, or are computed twice.
template <bool Exact, int Slots, int Few, bool Keep>
__device__ __forceinline__ void scanBackward(const ScanBackward& arguments)
{
    const int own = STATES / Slots, mine = TILE / Slots;
    DYNAMIC_SHARED(memory);
    BackwardShared<Slots, Few>& shared = *(BackwardShared<Slots, Few>*)memory;
    const Scan& scan = arguments.scan;
    const Place place(scan);
    const int lane = threadIdx.x, slot = threadIdx.y, channel = place.channel;
    const int thread = slot * LANES + lane;
    const float inside = place.inside ? 1.0f : 0.0f;
    const long long row = (long long)place.sequence * STATES;
    for (int n = slot * own; n < (slot + 1) * own; n++)
    {
        shared.a[n][lane] = __fmul_rn(loadA(scan, n, channel), LOG2E);
        shared.carry[n][lane] = arguments.gradientFinal
            ? arguments.gradientFinal[(row + n) * scan.channels + channel] * inside
            : 0.0f;
        shared.gradientA[n][lane] = 0.0f;
    }

    const float bias = scan.bias.data ? at(scan.bias, 0, channel) : 0.0f;
    const float d = scan.d.data ? at(scan.d, 0, channel) : 0.0f;
    float gradientD = 0.0f, gradientBias = 0.0f;
    const int tiles = (place.length + TILE - 1) / TILE;
    TokenWords<Slots> tokens;
    CouplingWords<Slots> pairs;
    unsigned gradientWords[mine];
#pragma unroll
    for (int k = 0; k < mine; k++)
    {
        gradientWords[k] = 0;
    }

    const float* checkpoint = arguments.checkpoints
        + ((long long)(place.first / TILE) + place.sequence + tiles - 1) * STATES * scan.channels + channel;
    float next[Few]; // h before the tile, of the states that come next
    if (tiles > 0)
    {
        int start = (tiles - 1) * TILE;
        tokens.load(scan, place, start);
        pairs.load(scan, place, start);
        if (arguments.gradientY.data)
        {
            TokenWords<Slots>::load(gradientWords, arguments.gradientY, place, start);
        }

#pragma unroll
        for (int n = 0; n < Few; n++)
        {
            next[n] = checkpoint[(long long)(slot * own + n) * scan.channels];
        }
    }

    for (int start = (tiles - 1) * TILE; start >= 0; start -= TILE)
    {
        const int count = min(TILE, place.length - start);
        float x[mine], z[mine], slope[mine], gy[mine]; // gy: of y after the gate
#pragma unroll
        for (int k = 0; k < mine; k++)
        {
            // Tokens past the end get zeros, with which they change nothing.
            int t = slot + k * Slots;
            float there = t < count ? inside : 0.0f;
            x[k] = value(tokens.x[k], scan.x.narrow);
            z[k] = scan.z.data ? value(tokens.z[k], scan.z.narrow) : 0.0f;
            gy[k] = __fmul_rn(value(gradientWords[k], arguments.gradientY.narrow), there);
            float raw = __fadd_rn(value(tokens.delta[k], scan.delta.narrow), bias);
            float delta = scan.softplus ? softplus<Exact>(raw) : raw;
            slope[k] = scan.softplus ? sigmoid<Exact>(raw) : 1.0f;
            delta = there != 0.0f ? delta : 0.0f;
            shared.steps[t][lane] = make_float2(delta, there != 0.0f ? __fmul_rn(delta, x[k]) : 0.0f);
            float gate = scan.z.data ? __fmul_rn(z[k], sigmoid<Exact>(z[k])) : 1.0f;
            shared.gradientY[t][lane] = __fmul_rn(gy[k], gate);
        }

        pairs.store(scan, (float*)shared.couplings);
        __syncthreads();
        if (start > 0)
        {
            tokens.load(scan, place, start - TILE);
            pairs.load(scan, place, start - TILE);
            if (arguments.gradientY.data)
            {
                TokenWords<Slots>::load(gradientWords, arguments.gradientY, place, start - TILE);
            }
        }

        float y[TILE], toInput[TILE], toExponent[TILE];
#pragma unroll
        for (int t = 0; t < TILE; t++)
        {
            y[t] = toInput[t] = toExponent[t] = 0.0f;
        }

#pragma unroll 1
        for (int n0 = slot * own; n0 < (slot + 1) * own; n0 += Few)
        {
            float a[Few], h[Few], before[Few], states[TILE][Few], kept[Keep ? TILE : 1][Few];
#pragma unroll
            for (int n = 0; n < Few; n++)
            {
                a[n] = shared.a[n0 + n][lane];
                h[n] = before[n] = next[n];
            }

            bool wraps = n0 + Few == (slot + 1) * own;
            if (!wraps || start > 0)
            {
                const float* source = wraps ? checkpoint - (long long)STATES * scan.channels : checkpoint;
                int first = wraps ? slot * own : n0 + Few;
#pragma unroll
                for (int n = 0; n < Few; n++)
                {
                    next[n] = source[(long long)(first + n) * scan.channels];
                }
            }

#pragma unroll
            for (int t = 0; t < TILE; t++)
            {
                float2 step = shared.steps[t][lane];
                const float* b = (const float*)shared.couplings[t] + n0;
#pragma unroll
                for (int n = 0; n < Few; n++)
                {
                    float factor = decay<Exact>(__fmul_rn(a[n], step.x));
                    kept[Keep ? t : 0][n] = factor;
                    h[n] = __fmaf_rn(factor, h[n], __fmul_rn(b[n], step.y));
                    states[t][n] = h[n];
                    y[t] = __fmaf_rn(b[STATES + n], h[n], y[t]);
                }
            }

            float carry[Few], gradientA[Few];
#pragma unroll
            for (int n = 0; n < Few; n++)
            {
                carry[n] = shared.carry[n0 + n][lane];
                gradientA[n] = shared.gradientA[n0 + n][lane];
            }

            const int most = 16 / Few; // tokens whose sums are added over the warp together
#pragma unroll
            for (int last = TILE - 1; last >= 0; last -= most)
            {
                float values[32]; // [token, B or C, state]
#pragma unroll
                for (int i = 0; i < most; i++)
                {
                    int t = last - i;
                    float2 step = shared.steps[t][lane];
                    float gradient = shared.gradientY[t][lane];
                    const float* b = (const float*)shared.couplings[t] + n0;
#pragma unroll
                    for (int n = 0; n < Few; n++)
                    {
                        float g = __fmaf_rn(b[STATES + n], gradient, carry[n]);
                        values[(2 * i) * Few + n] = __fmul_rn(g, step.y);
                        values[(2 * i + 1) * Few + n] = __fmul_rn(gradient, states[t][n]);
                        float factor = Keep ? kept[Keep ? t : 0][n] : decay<Exact>(__fmul_rn(a[n], step.x));
                        carry[n] = __fmul_rn(factor, g);
                        float exponent = __fmul_rn(t > 0 ? states[t > 0 ? t - 1 : 0][n] : before[n], carry[n]);
                        gradientA[n] = __fmaf_rn(exponent, step.x, gradientA[n]);
                        toExponent[t] = __fmaf_rn(exponent, a[n], toExponent[t]);
                        toInput[t] = __fmaf_rn(g, b[n], toInput[t]);
                    }
                }

                float sum = warpSums(values);
                int i = lane % 32;
                shared.pairs[lane / 32][last - i / (2 * Few)][i / Few % 2 * STATES + n0 + i % Few] = sum;
            }

#pragma unroll
            for (int n = 0; n < Few; n++)
            {
                shared.carry[n0 + n][lane] = carry[n];
                shared.gradientA[n0 + n][lane] = gradientA[n];
            }
        }

        checkpoint -= (long long)STATES * scan.channels;
        if (Slots == 2)
        {
#pragma unroll
            for (int t = 0; t < TILE; t++)
            {
                if (t % Slots != slot)
                {
                    shared.parts[0][t][lane] = y[t];
                    shared.parts[1][t][lane] = toInput[t];
                    shared.parts[2][t][lane] = toExponent[t];
                }
            }
        }

        float oldX[mine], oldDelta[mine], oldZ[mine];
#pragma unroll
        for (int k = 0; k < mine; k++)
        {
            long long token = place.first + min(start + slot + k * Slots, place.length - 1);
            oldX[k] = arguments.gradientX.data ? at(arguments.gradientX, token, channel) : 0.0f;
            oldDelta[k] = arguments.gradientDelta.data ? at(arguments.gradientDelta, token, channel) : 0.0f;
            oldZ[k] = arguments.gradientZ.data ? at(arguments.gradientZ, token, channel) : 0.0f;
        }

        __syncthreads();
#pragma unroll
        for (int i = thread; i < TILE * 2 * STATES; i += LANES * Slots)
        {
            int t = i / (2 * STATES), pair = i % (2 * STATES);
            float sum = shared.pairs[0][t][pair];
#pragma unroll
            for (int warp = 1; warp < LANES / 32; warp++)
            {
                sum = __fadd_rn(sum, shared.pairs[warp][t][pair]);
            }

            float* target = pair < STATES ? arguments.gradientB : arguments.gradientC;
            if (t < count && target)
            {
                long long token = place.tile * arguments.tokens + place.first + start + t;
                target[token * scan.groups * STATES + place.group * STATES + pair % STATES] = sum;
            }
        }

#pragma unroll
        for (int k = 0; k < mine; k++)
        {
            int t = slot + k * Slots;
            float sumY, input, exponent;
            if (Slots == 1)
            {
                sumY = y[k];
                input = toInput[k];
                exponent = toExponent[k];
            }
            else
            {
                // Registers need constant indices: both slots' tokens are named, and one is chosen.
                float ownY = slot == 0 ? y[k * Slots] : y[k * Slots + Slots - 1];
                float ownInput = slot == 0 ? toInput[k * Slots] : toInput[k * Slots + Slots - 1];
                float ownExponent = slot == 0 ? toExponent[k * Slots] : toExponent[k * Slots + Slots - 1];
                sumY = __fadd_rn(ownY, shared.parts[0][t][lane]);
                input = __fadd_rn(ownInput, shared.parts[1][t][lane]);
                exponent = __fadd_rn(ownExponent, shared.parts[2][t][lane]);
            }

            float gradient = shared.gradientY[t][lane];
            float toDelta = __fmul_rn(__fmaf_rn(x[k], input, __fmul_rn(exponent, LN2)), slope[k]);
            gradientBias = t < count ? __fadd_rn(gradientBias, toDelta) : gradientBias;
            gradientD = t < count ? __fmaf_rn(x[k], gradient, gradientD) : gradientD;
            if (t < count && place.inside)
            {
                long long token = place.first + start + t;
                if (arguments.gradientX.data)
                {
                    float added = __fmaf_rn(input, shared.steps[t][lane].x, __fmul_rn(gradient, d));
                    store(arguments.gradientX, token, channel, __fadd_rn(oldX[k], added));
                }

                if (arguments.gradientDelta.data)
                {
                    store(arguments.gradientDelta, token, channel, __fadd_rn(oldDelta[k], toDelta));
                }

                if (arguments.gradientZ.data)
                {
                    float s = sigmoid<Exact>(z[k]);
                    float derivative = __fmul_rn(s, __fmaf_rn(z[k], 1.0f - s, 1.0f));
                    float output = __fmaf_rn(x[k], d, sumY);
                    store(arguments.gradientZ, token, channel, __fmaf_rn(__fmul_rn(gy[k], output), derivative, oldZ[k]));
                }
            }
        }

        __syncthreads();
    }

    if (Slots == 2)
    {
        if (slot == 1)
        {
            shared.parts[0][0][lane] = gradientD;
            shared.parts[0][1][lane] = gradientBias;
        }

        __syncthreads();
        gradientD = __fadd_rn(gradientD, shared.parts[0][0][lane]);
        gradientBias = __fadd_rn(gradientBias, shared.parts[0][1][lane]);
    }

    if (place.inside)
    {
        for (int n = slot * own; n < (slot + 1) * own; n++)
        {
            long long i = (row + n) * scan.channels + channel;
            if (arguments.gradientA)
            {
                arguments.gradientA[i] = shared.gradientA[n][lane];
            }

            if (arguments.gradientInitial)
            {
                arguments.gradientInitial[i] = __fadd_rn(arguments.gradientInitial[i], shared.carry[n][lane]);
            }
        }

        if (slot == 0)
        {
            long long i = (long long)place.sequence * scan.channels + channel;
            if (arguments.gradientD)
            {
                arguments.gradientD[i] = gradientD;
            }

            if (arguments.gradientBias)
            {
                arguments.gradientBias[i] = gradientBias;
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(LANES * 2, 1)
scan_forward_exact(const __grid_constant__ ScanForward arguments)
{
    scanForward<true, 2, 0, false>(arguments);
}

extern "C" __global__ void __launch_bounds__(LANES * 2, 1)
scan_forward(const __grid_constant__ ScanForward arguments)
{
    scanForward<false, 2, 0, false>(arguments);
}

extern "C" __global__ void __launch_bounds__(LANES * 2, 1)
scan_summary_exact(const __grid_constant__ ScanForward arguments)
{
    scanForward<true, 2, 0, true>(arguments);
}

extern "C" __global__ void __launch_bounds__(LANES * 2, 1)
scan_summary(const __grid_constant__ ScanForward arguments)
{
    scanForward<false, 2, 0, true>(arguments);
}

extern "C" __global__ void __launch_bounds__(LANES * 2, 1)
scan_backward_exact(const __grid_constant__ ScanBackward arguments)
{
    scanBackward<true, 2, 2, false>(arguments);
}

extern "C" __global__ void __launch_bounds__(LANES * 2, 1)
scan_backward(const __grid_constant__ ScanBackward arguments)
{
    scanBackward<false, 2, 2, false>(arguments);
}
