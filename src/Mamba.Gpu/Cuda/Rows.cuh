// What all kernels in CUDA C share: arrays as rows of elements, and single instructions of PTX.
#pragma once

// Rows of float32 or bfloat16 elements, or an array that is absent.
struct Rows
{
    const void* data; // null: absent
    int pitch; // elements from one row to the next
    int narrow; // 1: bfloat16, 0: float32
};

// The sequences of a batch of tokens: rows of equal length, or packed segments.
struct Sequences
{
    const int* offsets; // start of each sequence, and the end of the last; null if all have `length` tokens
    const int* slots; // row of the state of each sequence; null: its own index
    int length;
    int count;
};

#ifndef ON_HOST // tests that compile the kernels for the host bring their own
// Memory that the threads of a block share, of a size that the launch chooses.
#define DYNAMIC_SHARED(name) extern __shared__ float4 name[]

// Rounds to the nearest bfloat16.
__device__ __forceinline__ unsigned short narrowOf(float x)
{
    unsigned short y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
}

// 2^x, off by up to 2e-7 of it.
__device__ __forceinline__ float exp2Fast(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
#endif

// The bits of an element as stored. Loading and converting apart keeps several loads in flight.
__device__ __forceinline__ unsigned word(const Rows& rows, long long row, int column)
{
    long long i = row * rows.pitch + column;
    return rows.narrow ? ((const unsigned short*)rows.data)[i] : ((const unsigned*)rows.data)[i];
}

// The element of these bits.
__device__ __forceinline__ float value(unsigned word, int narrow)
{
    return __uint_as_float(word << (narrow ? 16 : 0));
}

__device__ __forceinline__ float at(const Rows& rows, long long row, int column)
{
    return value(word(rows, row, column), rows.narrow);
}

__device__ __forceinline__ void store(const Rows& rows, long long row, int column, float value)
{
    long long i = row * rows.pitch + column;
    if (rows.narrow)
    {
        ((unsigned short*)rows.data)[i] = narrowOf(value);
    }
    else
    {
        ((float*)rows.data)[i] = value;
    }
}
