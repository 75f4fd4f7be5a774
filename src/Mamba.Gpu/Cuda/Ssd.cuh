// The forward SSD of Mamba-2 (Dao and Gu, arXiv:2405.21060, section 6) for bfloat16 rows, on tensor cores:
//
//   h_t = exp(a_t)·h_{t-1} + Δ_t·x_t ⊗ B_t,   y_t = (h_t·C_t + D·x_t)·silu(z_t)
//
// with a_t = Δ_t·A, or given. A sequence is cut into chunks of 128 tokens, a chunk into tiles of 16.
//
//   ssdSteps   Δ and sums of log decays.
//   ssdStates  The state before every chunk. A block walks through a span (up to a fixed number of chunks of a
//              sequence) with the states of its heads in registers:
//              h ← exp(Σa)·h + Σ_s exp(a_end - a_s)·Δ_s·x_s ⊗ B_s.
//   ssdSpans, ssdCarry  Add the state before each span. Only sequences longer than a span need them.
//   ssdScan    y of a chunk for several heads of a group:
//              y_t = exp(a_t)·C_t·h + Σ_{s ≤ t} (C_t·B_s)·exp(a_t - a_s)·Δ_s·x_s + D·x_t.
//
// Why it is fast: x is read twice and y is written once; otherwise only the states before chunks go through memory, in
// bfloat16. C·Bᵀ is computed once for all heads of a block and stays in registers: the accumulators of a product of 16
// by 16 tokens have the layout that a factor of the next product needs. Tiles above the diagonal are skipped. States
// are stored in the order of a factor, so no kernel rearranges them.
//
// Every decay is 2^x of a sum of log decays within tiles, or over whole tiles, and no exponent is positive. So nothing
// overflows, a strong decay does not cost the digits of a weak one after it (as in differences of sums over a chunk),
// and a decay below the range of float32 clears the state.
#pragma once

#include "Factors.cuh"
#include "Rows.cuh"

#define CHUNK 128
#define TILE 16
#define TILES (CHUNK / TILE)

struct Ssd
{
    Rows x, z, b, c, y; // bfloat16, whose rows start at multiples of 16 bytes; z may be absent
    Rows delta, logDecay, diagonal; // a column for each head; the last two may be absent
    Rows bias, a, d; // one row; may be absent
    const float* initial; // h before each sequence, [sequence, head, P, N]; may be absent
    float* final; // h after each sequence; may be the initial state
    const int4* chunks; // first token, tokens, sequence, span
    const int4* spans; // first chunk, chunks, sequence, 1: first span of its sequence + 2: the last
    float* step; // Δ, [chunk, head, CHUNK]
    float* own; // the weight of a token's input in its own output, in the same layout; may be Δ
    float* local; // sum of the log₂ decays from the tile's start
    float* toEnd; // Δ times the decay to the chunk's end
    float* decay; // of a chunk, [chunk, head]
    unsigned short* before; // h before each chunk, [chunk, head], then as `fragment` says
    float* ends; // h after each span that starts from zero, then h before it; the same layout
    int heads;
    int headDim; // P, channels of a head
    int states; // N, of a channel
    int groups; // of heads that share B and C
    int headsOfBlock; // of ssdScan
    int softplus;
    int isLog; // A is given as log(-A)
    int perChannel; // D has a number for each channel, not for each head
    float least, greatest; // limits of Δ
};

__device__ __forceinline__ const unsigned short* rowOf(const Rows& rows, int row)
{
    return (const unsigned short*)rows.data + (long long)row * rows.pitch;
}

// The first of eight adjacent elements of a lane in a head's states, for a tile of 8 channels and one of 32 states:
// channel g of the tile and the states 8i + 2q and 8i + 2q + 1 for i from 0 to 3, the factor b of two products.
__device__ __forceinline__ int fragment(int channelTile, int stateTile, int states, int lane)
{
    return ((channelTile * (states / 32) + stateTile) * 32 + lane) * 8;
}
