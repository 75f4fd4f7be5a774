using ILGPU.Runtime;
using Mamba.Devices;
using Mamba.Gpu.Kernels;
using Mamba.Gpu.Memory;
using Mamba.Gpu.Native;

namespace Mamba.Gpu;

/// <content>Batches of matrix products: by cuBLAS where it is, else by a kernel.</content>
public sealed unsafe partial class GpuDevice
{
    /// <summary>Computes <c>C = op(A)·op(B)</c>, or adds it to C, for every matrix of a batch.</summary>
    private void Multiply(
        Matrix a, bool transposeA, Matrix b, bool transposeB, Matrix c, in ProductSizes sizes, bool accumulate)
    {
        if (sizes.M == 0 || sizes.N == 0 || sizes.Outer == 0 || sizes.Inner == 0)
        {
            return;
        }

        if (_blas is null || sizes.K == 0)
        {
            LaunchProduct(a, transposeA, b, transposeB, c, sizes, accumulate);
            return;
        }

        using DeviceScope scope = Scope();
        bool narrow = _options.Precision == Precision.BFloat16
            || (a.Array.Precision == Precision.BFloat16 && b.Array.Precision == Precision.BFloat16);
        Precision factors = narrow ? Precision.BFloat16 : Precision.Float32;
        (long rowsA, long columnsA) = transposeA ? (sizes.K, sizes.M) : (sizes.M, sizes.K);
        (long rowsB, long columnsB) = transposeB ? (sizes.N, sizes.K) : (sizes.K, sizes.N);
        a = As(factors, a, rowsA, columnsA, sizes);
        b = As(factors, b, rowsB, columnsB, sizes);

        // cuBLAS takes one stride; the shorter of the two batches is a loop.
        bool loopInner = sizes.Inner <= sizes.Outer;
        (int loop, int batch) = loopInner ? (sizes.Inner, sizes.Outer) : (sizes.Outer, sizes.Inner);
        for (int i = 0; i < loop; i++)
        {
            CallBlas(At(a, i, loopInner), transposeA, At(b, i, loopInner), transposeB, At(c, i, loopInner), sizes, batch,
                accumulate);
        }
    }

    /// <summary>The i-th matrix of the batch that is a loop, with the stride of the other as the outer one.</summary>
    private static Matrix At(Matrix matrix, int i, bool loopInner) => loopInner
        ? matrix with { Offset = matrix.Offset + (i * matrix.InnerStride) }
        : matrix with { Offset = matrix.Offset + (i * matrix.OuterStride), OuterStride = matrix.InnerStride };

    private void CallBlas(
        Matrix a,
        bool transposeA,
        Matrix b,
        bool transposeB,
        Matrix c,
        in ProductSizes sizes,
        int batch,
        bool accumulate)
    {
        float alpha = 1f, beta = accumulate ? 1f : 0f;
        int compute = _options.AllowTensorFloat32 && a.Array.Precision == Precision.Float32
            ? CuBlas.ComputeTensorFloat32
            : CuBlas.ComputeFloat32;

        // cuBLAS counts down columns: to it, our rows are columns, and C = A·B is Cᵀ = Bᵀ·Aᵀ.
        _runtime.Accelerator.Bind();
        int status = CuBlas.GemmStridedBatched(
            _blas!.Handle,
            transposeB ? 1 : 0,
            transposeA ? 1 : 0,
            checked((int)sizes.N),
            checked((int)sizes.M),
            checked((int)sizes.K),
            &alpha,
            AddressOf(b),
            TypeOf(b),
            checked((int)b.Pitch),
            b.OuterStride,
            AddressOf(a),
            TypeOf(a),
            checked((int)a.Pitch),
            a.OuterStride,
            &beta,
            AddressOf(c),
            TypeOf(c),
            checked((int)c.Pitch),
            c.OuterStride,
            batch,
            compute,
            CuBlas.DefaultAlgorithm);
        if (status != 0)
        {
            BlasHandle.Check(status, $"The product [{sizes.M}, {sizes.K}] by [{sizes.K}, {sizes.N}]");
        }
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

    /// <summary>The matrices themselves where they are stored so, or else a copy.</summary>
    private Matrix As(Precision precision, Matrix matrix, long rows, long columns, in ProductSizes sizes)
    {
        if (matrix.Array.Precision == precision)
        {
            return matrix;
        }

        // A stride of 0 repeats a matrix: one copy serves all.
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
