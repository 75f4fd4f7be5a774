// Products of bfloat16 matrices on tensor cores, and what feeds them: single instructions of PTX.
#pragma once

#ifdef ON_HOST // what the tests run in place of the instructions
inline unsigned pack(float low, float high)
{
    return shim::narrow(low) | (unsigned)shim::narrow(high) << 16;
}

inline void multiply(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1)
{
    shim::mma16816(d, a, b0, b1);
}

inline void loadFactors(unsigned (&r)[4], const char* p)
{
    shim::ldmatrix4(r, p, false);
}

inline void loadTransposed(unsigned (&r)[4], const char* p)
{
    shim::ldmatrix4(r, p, true);
}

inline void copy16(char* to, const void* from, bool isThere)
{
    shim::copyAsync(to, from, isThere ? 16 : 0);
}

inline void endGroup()
{
    shim::copyCommit();
}

template <int LEFT>
inline void waitForGroups()
{
    shim::copyWait(LEFT);
}

inline void hide(unsigned&)
{
}
#else
// Two floats as two bfloat16, the first in the low half.
__device__ __forceinline__ unsigned pack(float low, float high)
{
    unsigned both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

// d += a·b: [16, 16] times [16, 8], bfloat16 factors, float32 sums. With g = lane / 4 and q = lane % 4, a lane has of
// d the rows g and g + 8 of columns 2q, 2q + 1; of a the rows g, g + 8 of columns 2q, 2q + 1, then of those plus 8; of
// b the rows 2q, 2q + 1, then those plus 8, of column g.
__device__ __forceinline__ void multiply(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1)
{
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ __forceinline__ unsigned sharedAddress(const void* p)
{
    return (unsigned)__cvta_generic_to_shared(p);
}

// Loads four matrices of 8 by 8 as factors; lane l gives the address of row l % 8 of matrix l / 8.
__device__ __forceinline__ void loadFactors(unsigned (&r)[4], const char* p)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(sharedAddress(p)) : "memory");
}

__device__ __forceinline__ void loadTransposed(unsigned (&r)[4], const char* p)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(sharedAddress(p)) : "memory");
}

// Starts to copy 16 bytes into shared memory, or to set them to 0.
__device__ __forceinline__ void copy16(char* to, const void* from, bool isThere)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
        :: "r"(sharedAddress(to)), "l"(from), "r"(isThere ? 16 : 0) : "memory");
}

__device__ __forceinline__ void endGroup()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

// Waits until at most LEFT of this thread's groups of copies are under way.
template <int LEFT>
__device__ __forceinline__ void waitForGroups()
{
    asm volatile("cp.async.wait_group %0;" :: "n"(LEFT) : "memory");
}

// Hides from the compiler that a loop does not change a value. It would compute what follows from the value before the
// loop, and lack registers to keep it in.
__device__ __forceinline__ void hide(unsigned& x)
{
    asm volatile("" : "+r"(x));
}
#endif

__device__ __forceinline__ float low(unsigned both)
{
    return __uint_as_float(both << 16);
}

__device__ __forceinline__ float high(unsigned both)
{
    return __uint_as_float(both & 0xFFFF0000u);
}

// The place of 16 bytes in rows of ROW bytes in shared memory. The pieces of a row are permuted by the last three bits
// of the row's index: the same piece of eight rows then lies in different banks.
template <int ROW>
__device__ __forceinline__ int place(int row, int piece)
{
    return row * ROW + ((piece ^ (row & 7)) << 4);
}
