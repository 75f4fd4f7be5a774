using Mamba.Gpu;
using Mamba.Memory;
using Mamba.Tests.Gpu.Stub;

namespace Mamba.Tests.Gpu;

/// <summary>Matrix products by cuBLAS: the stub computes them as cuBLAS would.</summary>
public sealed class CudaProductScenarios
{
    // The factors are small integers, so all sums are exact.
    private const int M = 13, N = 9, K = 21;

    private static readonly GpuOptions Cuda = new() { Kind = GpuKind.Cuda };

    [Scenario]
    public void Products_are_right_for_every_orientation()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        foreach ((bool transposeA, bool transposeB, bool accumulate) in Orientations)
        {
            using DeviceScope scope = device.Scope();
            (float[] a, float[] b, float[] c) = (Integers(M * K, 1), Integers(K * N, 2), Integers(M * N, 3));
            DeviceArray product = device.Array([M, N], c);

            device.MatMul(
                device.Array(transposeA ? [K, M] : [M, K], a),
                transposeA,
                device.Array(transposeB ? [N, K] : [K, N], b),
                transposeB,
                product,
                accumulate);

            product.ToArray().Should().Equal(Expected(a, transposeA, b, transposeB, c, accumulate));
        }

        StubLog.Lines("gemm").Should().HaveCount(8)
            .And.OnlyContain(line => line.EndsWith("types 0 0 0 compute 68 batch 1", StringComparison.Ordinal));
    }

    [Scenario]
    public void A_product_of_slices_reads_and_writes_nothing_else()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        using DeviceScope scope = device.Scope();
        (float[] a, float[] b) = (Integers(M * 30, 1), Integers(N * 40, 2));
        DeviceArray c = device.Array([M, 12], Integers(M * 12, 3));

        device.MatMul(
            device.Array([M, 30], a).Slice(5, K),
            false,
            device.Array([N, 40], b).Slice(7, K),
            true,
            c.Slice(2, N),
            accumulate: false);

        float[] product = Expected(Cut(a, 30, 5, K), false, Cut(b, 40, 7, K), true, new float[M * N], false);
        float[] expected = Integers(M * 12, 3);
        for (int i = 0; i < M; i++)
        {
            product.AsSpan(i * N, N).CopyTo(expected.AsSpan((i * 12) + 2));
        }

        c.ToArray().Should().Equal(expected);
    }

    [Scenario]
    public void A_linear_layer_of_many_rows_is_a_product()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        using DeviceScope scope = device.Scope();
        (float[] x, float[] weight) = (Integers(M * K, 1), Integers(N * K, 2));
        DeviceArray y = device.Allocate([1, M, N]);

        device.Linear(new() { X = device.Array([1, M, K], x), Weight = device.Array([N, K], weight), Y = y });

        y.ToArray().Should().Equal(Expected(x, false, weight, true, new float[M * N], false));
    }

    [Scenario]
    public void Factors_may_be_rounded_to_TF32_only_where_that_is_allowed()
    {
        using GpuDevice device = GpuDevice.Open(Cuda with { AllowTensorFloat32 = true });
        using DeviceScope scope = device.Scope();
        DeviceArray a = device.Array([16, 16], Integers(256, 1));

        device.MatMul(a, false, a, false, device.Allocate([16, 16]), accumulate: false);

        StubLog.Lines("gemm").Should().Equal("gemm NN 16 16 16 types 0 0 0 compute 77 batch 1");
    }

    [Scenario]
    public void Products_of_bfloat16_are_added_up_in_float32()
    {
        using GpuDevice device = GpuDevice.Open(Cuda with { Precision = Precision.BFloat16 });
        using DeviceScope scope = device.Scope();
        (float[] a, float[] b) = (Integers(M * K, 1), Integers(N * K, 2));
        DeviceArray c = device.Allocate([M, N]);

        device.MatMul(Narrow(device, [M, K], a), false, Narrow(device, [N, K], b), true, c, accumulate: false);

        c.ToArray().Should().Equal(Expected(a, false, b, true, new float[M * N], false));
        StubLog.Lines("gemm").Should().Equal($"gemm TN {N} {M} {K} types 14 14 0 compute 68 batch 1");
    }

    [Scenario]
    public void Float32_factors_are_narrowed_on_a_bfloat16_device()
    {
        using GpuDevice device = GpuDevice.Open(Cuda with { Precision = Precision.BFloat16 });
        using DeviceScope scope = device.Scope();
        DeviceArray weight = device.Array([N, K], Integers(N * K, 2)), y = device.AllocateActivation([M, N]);

        device.Linear(new() { X = Narrow(device, [M, K], Integers(M * K, 1)), Weight = weight, Y = y });

        StubLog.Lines("launch").Should().ContainSingle("the weights are copied once");
        StubLog.Lines("gemm").Should().Equal($"gemm TN {N} {M} {K} types 14 14 14 compute 68 batch 1");
    }

    private static IEnumerable<(bool, bool, bool)> Orientations =>
        from i in Enumerable.Range(0, 8) select ((i & 1) != 0, (i & 2) != 0, (i & 4) != 0);

    /// <summary>An array of bfloat16 without a kernel, which the stub would not run: two elements in a word.</summary>
    private static DeviceArray Narrow(GpuDevice device, Shape shape, float[] values)
    {
        DeviceArray array = device.Allocate(shape, Precision.BFloat16);
        int[] words = new int[(values.Length + 1) / 2];
        for (int i = 0; i < values.Length; i++)
        {
            words[i / 2] |= (BitConverter.SingleToInt32Bits(values[i]) >>> 16) << (16 * (i % 2));
        }

        device.UploadIndices(words, array.Storage);
        return array;
    }

    private static float[] Integers(int count, int seed) =>
        [.. Enumerable.Range(0, count).Select(i => (((i * 7) + (seed * 3)) % 11) - 5f)];

    private static float[] Cut(float[] rows, int pitch, int start, int width) =>
        [.. rows.Chunk(pitch).SelectMany(row => row[start..(start + width)])];

    private static float[] Expected(float[] a, bool transposeA, float[] b, bool transposeB, float[] c, bool accumulate)
    {
        float[] product = new float[M * N];
        for (int i = 0; i < M; i++)
        {
            for (int j = 0; j < N; j++)
            {
                double sum = accumulate ? c[(i * N) + j] : 0;
                for (int k = 0; k < K; k++)
                {
                    float left = a[transposeA ? (k * M) + i : (i * K) + k];
                    float right = b[transposeB ? (j * K) + k : (k * N) + j];
                    sum += (double)left * right;
                }

                product[(i * N) + j] = (float)sum;
            }
        }

        return product;
    }
}
