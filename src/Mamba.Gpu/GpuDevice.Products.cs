using ILGPU;
using ILGPU.Runtime;
using Mamba.Gpu.Kernels;
using Mamba.Gpu.Memory;
using Mamba.Gpu.Native;
using Mamba.Memory;

namespace Mamba.Gpu;

/// <content>Batched matrix products, by cuBLAS if it is installed, otherwise by a kernel.</content>
public sealed unsafe partial class GpuDevice
{
    /// <summary>Computes <c>C = op(A)·op(B)</c>, or adds it to C, for every matrix of a batch.</summary>
    /// <remarks>
    /// cuBLAS takes two factors of one precision. It is bfloat16 if <paramref name="narrow"/> is set, if both factors
    /// are stored as bfloat16, or if C is bfloat16, for which cuBLAS has no other product. Otherwise it is float32.
    /// </remarks>
    private void Multiply(
        Matrix a,
        bool transposeA,
        Matrix b,
        bool transposeB,
        Matrix c,
        in ProductSizes sizes,
        bool accumulate,
        bool narrow = false)
    {
        if (sizes.M == 0 || sizes.N == 0 || sizes.Outer == 0 || sizes.Inner == 0)
        {
            return;
        }

        if (_blas is null || sizes.K == 0)
        {
            LaunchProduct(a, transposeA, b, transposeB, c, sizes, accumulate); // the kernel takes any precisions
            return;
        }

        using DeviceScope scope = Scope();
        narrow |= c.Array.Precision == Precision.BFloat16
            || (a.Array.Precision == Precision.BFloat16 && b.Array.Precision == Precision.BFloat16);
        Precision factors = narrow ? Precision.BFloat16 : Precision.Float32;
        (long rowsA, long columnsA) = transposeA ? (sizes.K, sizes.M) : (sizes.M, sizes.K);
        (long rowsB, long columnsB) = transposeB ? (sizes.N, sizes.K) : (sizes.K, sizes.N);
        a = As(factors, a, rowsA, columnsA, sizes);
        b = As(factors, b, rowsB, columnsB, sizes);

        float alpha = 1f, beta = accumulate ? 1f : 0f;
        bool tensorFloat32 = (_options.AllowTensorFloat32 || _options.Precision == Precision.BFloat16) && !narrow;
        int compute = tensorFloat32 ? CuBlas.ComputeTensorFloat32 : CuBlas.ComputeFloat32;

        // cuBLAS is column-major: to it, our matrices are transposed, and C = A·B is Cᵀ = Bᵀ·Aᵀ.
        int transposeFirst = transposeB ? 1 : 0, transposeSecond = transposeA ? 1 : 0;
        (int m, int n, int k) = (checked((int)sizes.N), checked((int)sizes.M), checked((int)sizes.K));
        (int first, int second, int product) =
            (checked((int)b.Pitch), checked((int)a.Pitch), checked((int)c.Pitch));
        int count = checked(sizes.Outer * sizes.Inner), status;
        using GpuProfile.Span span = Profile?.Measure(
            $"product {count} x [{n}, {k}] [{k}, {m}], {(narrow ? "bfloat16" : tensorFloat32 ? "TF32" : "float32")}")
            ?? default;
        _mayOverlap = false;
        if (sizes.Outer > 1 && sizes.Inner > 1)
        {
            // A batch of two levels has two strides: cuBLAS takes arrays of pointers, which a kernel fills.
            ArrayView<long> pointers = PointersOf(a, b, c, sizes);
            long* list = (long*)pointers.LoadEffectiveAddressAsPtr();
            _runtime.Accelerator.Bind();
            status = CuBlas.GemmBatched(
                _blas.Handle, transposeFirst, transposeSecond, m, n, k, &alpha, list + count, TypeOf(b), first, list,
                TypeOf(a), second, &beta, list + (2 * count), TypeOf(c), product, count, compute,
                CuBlas.DefaultAlgorithm);
        }
        else
        {
            _runtime.Accelerator.Bind();
            status = CuBlas.GemmStridedBatched(
                _blas.Handle, transposeFirst, transposeSecond, m, n, k, &alpha, AddressOf(b), TypeOf(b), first,
                StrideOf(b, sizes), AddressOf(a), TypeOf(a), second, StrideOf(a, sizes), &beta, AddressOf(c), TypeOf(c),
                product, StrideOf(c, sizes), count, compute, CuBlas.DefaultAlgorithm);
        }

        if (status != 0)
        {
            BlasHandle.Check(status, $"The product [{sizes.M}, {sizes.K}] by [{sizes.K}, {sizes.N}]");
        }
    }

    /// <summary>The stride between the matrices of a one-level batch.</summary>
    private static long StrideOf(Matrix matrix, in ProductSizes sizes) =>
        sizes.Inner > 1 ? matrix.InnerStride : matrix.OuterStride;

    /// <summary>The addresses of the matrices of a two-level batch, in memory of the innermost scope.</summary>
    private ArrayView<long> PointersOf(Matrix a, Matrix b, Matrix c, in ProductSizes sizes)
    {
        int count = sizes.Outer * sizes.Inner;
        ArrayView<long> pointers = ((GpuStorage)Allocate([checked(6 * count)]).Storage).Words.Cast<long>();
        Launch(
            new BatchPointersKernel(count, sizes.Inner, AddressesOf(a), AddressesOf(b), AddressesOf(c), pointers),
            Groups(count, GroupSize),
            GroupSize);
        return pointers;
    }

    private static BatchAddresses AddressesOf(Matrix matrix)
    {
        Precision precision = matrix.Array.Precision;
        return new(
            AddressOf(matrix), precision.Bytes((nint)matrix.OuterStride), precision.Bytes((nint)matrix.InnerStride));
    }

    private void LaunchProduct(
        Matrix a, bool transposeA, Matrix b, bool transposeB, Matrix c, in ProductSizes sizes, bool accumulate)
    {
        int across = 1;
        while (4 * across * across <= GroupSize)
        {
            across *= 2;
        }

        int down = across;
        long tiles = Groups(sizes.M, 4 * down) * Groups(sizes.N, 4 * across);
        Launch(
            new MatMulKernel(
                MatrixOf(a, transposeA),
                MatrixOf(b, transposeB),
                MatrixOf(c, false),
                sizes.M,
                sizes.N,
                sizes.K,
                sizes.Inner,
                accumulate),
            (tiles * sizes.Outer * sizes.Inner, 1),
            (across, down));
    }

    /// <summary>Returns the matrices if they have the given precision, otherwise a converted copy.</summary>
    private Matrix As(Precision precision, Matrix matrix, long rows, long columns, in ProductSizes sizes)
    {
        if (matrix.Array.Precision == precision)
        {
            return matrix;
        }

        // A stride of 0 repeats one matrix: one copy suffices.
        int outer = matrix.OuterStride == 0 ? 1 : sizes.Outer, inner = matrix.InnerStride == 0 ? 1 : sizes.Inner;
        DeviceArray copy = Allocate([outer * inner, checked((int)rows), checked((int)columns)], precision);
        (Plane plane, long groups, (int, int) threads) = PlaneOf(copy.Shape, flat: false);
        Launch(
            new MatrixCopyKernel(plane, MatrixOf(matrix, false), (int)rows, inner, RowsOf(copy)), groups, threads);
        long size = rows * columns;
        return new(
            copy,
            0,
            columns,
            matrix.OuterStride == 0 ? 0 : inner * size,
            matrix.InnerStride == 0 ? 0 : size);
    }

    private GpuMatrix MatrixOf(Matrix matrix, bool transposed)
    {
        DeviceArray array = matrix.Array;
        bool aligned = array.Offset % 4 == 0 && matrix.Offset % 4 == 0 && matrix.Pitch % 4 == 0
            && matrix.OuterStride % 4 == 0 && matrix.InnerStride % 4 == 0;
        return new(
            RowsOf(array, matrix.Offset, matrix.Pitch, aligned), transposed, matrix.OuterStride, matrix.InnerStride);
    }

    private static nint AddressOf(Matrix matrix)
    {
        nint start = ((GpuStorage)matrix.Array.Storage).Address;
        return start + matrix.Array.Precision.Bytes((nint)(matrix.Array.Offset + matrix.Offset));
    }

    private static int TypeOf(Matrix matrix) =>
        matrix.Array.Precision == Precision.Float32 ? CuBlas.Float32Type : CuBlas.BFloat16Type;
}
