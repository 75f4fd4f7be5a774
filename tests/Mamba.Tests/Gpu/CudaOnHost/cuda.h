// Runs kernels in CUDA C on the host, to test them without a GPU. Every thread of a block is a fiber (ucontext), switched
// at barriers and at the collectives of a warp; blocks run one after the other. Shared memory is poisoned with NaN before
// every block if it is dynamic. An asynchronous copy happens when the kernel waits for it, so that a missing wait shows.
#pragma once
#define ON_HOST
#include <ucontext.h>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__
#define __align__(n) alignas(n)
#define __launch_bounds__(...)
#define __shared__ static
#define __grid_constant__
#define DYNAMIC_SHARED(name) float4* name = (float4*)shim::shared
#define __constant__ static
struct uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct dim3 { unsigned x = 1, y = 1, z = 1; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static dim3 threadIdx, blockIdx, blockDim, gridDim;
namespace shim {
struct Copy { void* to; const void* from; int bytes, valid; };
struct Fiber { ucontext_t context; bool done; std::vector<std::vector<Copy>> groups; std::vector<Copy> open; };
static std::vector<Fiber> fibers;
static std::vector<std::vector<char>> stacks;
static ucontext_t scheduler;
static int current;
static std::vector<int> warpCount, warpGeneration;
static int blockCount, blockGeneration, alive;
alignas(1024) static char shared[256 * 1024];
static std::function<void()> body;
struct Slot { uint32_t word[16]; const void* pointer; };
static std::vector<Slot> slots;
inline void yield() { swapcontext(&fibers[current].context, &scheduler); }
inline void warpBarrier() {
    int warp = current / 32, generation = warpGeneration[warp], size = std::min<int>(32, (int)fibers.size() - 32 * warp);
    if (++warpCount[warp] == size) { warpCount[warp] = 0; warpGeneration[warp]++; return; }
    while (warpGeneration[warp] == generation) yield();
}
inline void blockBarrier() {
    int generation = blockGeneration;
    if (++blockCount == (int)fibers.size()) { blockCount = 0; blockGeneration++; return; }
    while (blockGeneration == generation) yield();
}
inline void start() { body(); fibers[current].done = true; alive--; yield(); }
template <class F> void launch(int gx, int gy, int tx, int ty, F f) {
    int threads = tx * ty;
    body = f; gridDim.x = gx; gridDim.y = gy; blockDim.x = tx; blockDim.y = ty;
    if ((int)stacks.size() < threads) { stacks.resize(threads); for (auto& s : stacks) s.resize(128 * 1024); }
    for (int by = 0; by < gy; by++) for (int bx = 0; bx < gx; bx++) {
        blockIdx.x = bx; blockIdx.y = by;
        memset(shared, 0xFF, sizeof shared);
        fibers.assign(threads, Fiber()); slots.assign(threads, Slot());
        warpCount.assign((threads + 31) / 32, 0); warpGeneration = warpCount; blockCount = 0; alive = threads;
        for (int i = 0; i < threads; i++) {
            getcontext(&fibers[i].context);
            fibers[i].context.uc_stack.ss_sp = stacks[i].data(); fibers[i].context.uc_stack.ss_size = stacks[i].size();
            fibers[i].context.uc_link = &scheduler; fibers[i].done = false;
            makecontext(&fibers[i].context, (void (*)())start, 0);
        }
        while (alive > 0) for (int i = 0; i < threads; i++) if (!fibers[i].done) {
            current = i; threadIdx.x = i % tx; threadIdx.y = i / tx; swapcontext(&scheduler, &fibers[i].context);
        }
    }
}
inline float widen(uint16_t v) { uint32_t u = (uint32_t)v << 16; float f; memcpy(&f, &u, 4); return f; }
inline uint16_t narrow(float f) {
    uint32_t b; memcpy(&b, &f, 4);
    return (b & 0x7FFFFFFFu) > 0x7F800000u ? (uint16_t)((b >> 16) | 0x40u) : (uint16_t)((b + 0x7FFFu + ((b >> 16) & 1u)) >> 16);
}
}
inline void __syncthreads() { shim::blockBarrier(); }
inline void __syncwarp(unsigned = ~0u) { shim::warpBarrier(); }
template <class T> T shimShuffle(T value, int from) {
    static_assert(sizeof(T) == 4, "4 bytes");
    memcpy(&shim::slots[shim::current].word[0], &value, 4);
    shim::warpBarrier();
    T result; memcpy(&result, &shim::slots[shim::current / 32 * 32 + (from & 31)].word[0], 4);
    shim::warpBarrier();
    return result;
}
template <class T> T __shfl_sync(unsigned, T v, int lane, int = 32) { return shimShuffle(v, lane); }
template <class T> T __shfl_xor_sync(unsigned, T v, int mask, int = 32) { return shimShuffle(v, (shim::current & 31) ^ mask); }
template <class T> T __shfl_up_sync(unsigned, T v, int d, int = 32) { int l = shim::current & 31; return shimShuffle(v, l < d ? l : l - d); }
template <class T> T __shfl_down_sync(unsigned, T v, int d, int = 32) { int l = shim::current & 31; return shimShuffle(v, l + d > 31 ? l : l + d); }
inline float __uint_as_float(unsigned u) { float f; memcpy(&f, &u, 4); return f; }
inline unsigned __float_as_uint(float f) { unsigned u; memcpy(&u, &f, 4); return u; }
inline float __int_as_float(int u) { float f; memcpy(&f, &u, 4); return f; }
inline int __float_as_int(float f) { int u; memcpy(&u, &f, 4); return u; }
using std::max;
using std::min;
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float exp2Fast(float x) { return std::exp2(x); }
inline unsigned short narrowOf(float x) { return shim::narrow(x); }
namespace shim {
// d += a·b, m16n8k16, bf16 factors. a: 4 words, b: 2 words, d: 4 floats, as in the PTX manual.
inline void mma16816(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    Slot& own = slots[current];
    memcpy(own.word, a, 16); own.word[4] = b0; own.word[5] = b1;
    warpBarrier();
    int base = current / 32 * 32, lane = current & 31, g = lane / 4, q = lane % 4;
    for (int e = 0; e < 4; e++) {
        int row = g + 8 * (e / 2), column = 2 * q + e % 2;
        float sum = d[e];
        for (int k = 0; k < 16; k++) {
            const Slot& la = slots[base + (row % 8) * 4 + (k % 8) / 2];
            uint32_t wa = la.word[(row / 8) + 2 * (k / 8)];
            const Slot& lb = slots[base + column * 4 + (k % 8) / 2];
            uint32_t wb = lb.word[4 + k / 8];
            sum += widen((uint16_t)(k % 2 ? wa >> 16 : wa)) * widen((uint16_t)(k % 2 ? wb >> 16 : wb));
        }
        d[e] = sum;
    }
    warpBarrier();
}
// ldmatrix.x4[.trans]: lane l gives the address of row l%8 of matrix l/8.
inline void ldmatrix4(uint32_t (&r)[4], const void* address, bool transposed) {
    if ((uintptr_t)address % 16) { fprintf(stderr, "ldmatrix: misaligned\n"); abort(); }
    slots[current].pointer = address;
    warpBarrier();
    int base = current / 32 * 32, lane = current & 31;
    for (int m = 0; m < 4; m++) {
        uint16_t v[2];
        for (int e = 0; e < 2; e++) {
            int row = transposed ? 2 * (lane % 4) + e : lane / 4, column = transposed ? lane / 4 : 2 * (lane % 4) + e;
            memcpy(&v[e], (const char*)slots[base + 8 * m + row].pointer + 2 * column, 2);
        }
        r[m] = v[0] | (uint32_t)v[1] << 16;
    }
    warpBarrier();
}
inline void copyAsync(void* to, const void* from, int valid) {
    if ((uintptr_t)to % 16 || (uintptr_t)from % 16) { fprintf(stderr, "cp.async: misaligned\n"); abort(); }
    fibers[current].open.push_back({to, from, 16, valid});
}
inline void copyCommit() { fibers[current].groups.push_back(fibers[current].open); fibers[current].open.clear(); }
inline void copyWait(int left) {
    auto& groups = fibers[current].groups;
    while ((int)groups.size() > left) {
        for (auto& c : groups.front()) { memset(c.to, 0, c.bytes); if (c.valid) memcpy(c.to, c.from, c.valid); }
        groups.erase(groups.begin());
    }
}
}
