using System.Globalization;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using Mamba.Gpu;
using Mamba.Gpu.Native;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Generation;
using Mamba.Tests.Gpu.Stub;

namespace Mamba.Tests.Gpu;

/// <summary>Capturing work in a graph, by the driver's functions that ILGPU does not bind.</summary>
public sealed class CudaGraphScenarios
{
    [Scenario]
    public void Captured_work_happens_when_the_graph_is_launched()
    {
        using Context context = GpuContext.Create(GpuKind.Cuda, 4);
        using Accelerator accelerator = GpuContext.Open(context, GpuContext.DevicesOf(context, GpuKind.Cuda)[0]);
        using AcceleratorStream stream = accelerator.CreateStream();
        using MemoryBuffer1D<byte, Stride1D.Dense> memory = accelerator.Allocate1D<byte>(4);
        nint handle = ((CudaStream)stream).StreamPtr;
        memory.MemSet(stream, 1);

        CudaDriver.Check(CudaDriver.StreamBeginCapture(handle, CudaDriver.CaptureModeThreadLocal), "Beginning");
        memory.MemSet(stream, 2);
        CudaDriver.Check(CudaDriver.StreamEndCapture(handle, out nint graph), "Ending");
        byte[] before = memory.GetAsArray1D(stream);
        CudaDriver.Check(CudaDriver.GraphInstantiate(out nint executable, graph, 0), "Making");
        CudaDriver.Check(CudaDriver.GraphDestroy(graph), "Freeing");
        CudaDriver.Check(CudaDriver.GraphLaunch(executable, handle), "Launching");
        byte[] after = memory.GetAsArray1D(stream);
        CudaDriver.Check(CudaDriver.GraphExecDestroy(executable), "Freeing");

        before.Should().Equal(1, 1, 1, 1);
        after.Should().Equal(2, 2, 2, 2);
        StubLog.Lines("graph").Should().Equal(
            "graph of 1 nodes instantiated", "graph of 1 nodes launched stream 1");
    }

    [Scenario]
    public void What_cannot_be_captured_is_refused_in_the_words_of_the_driver()
    {
        using Context context = GpuContext.Create(GpuKind.Cuda, 4);
        using Accelerator accelerator = GpuContext.Open(context, GpuContext.DevicesOf(context, GpuKind.Cuda)[0]);
        using AcceleratorStream stream = accelerator.CreateStream();
        nint handle = ((CudaStream)stream).StreamPtr;

        CudaDriver.Check(CudaDriver.StreamBeginCapture(handle, CudaDriver.CaptureModeThreadLocal), "Beginning");
        stream.Invoking(capturing => capturing.Synchronize()).Should().Throw<CudaException>();
        Action end = () => CudaDriver.Check(CudaDriver.StreamEndCapture(handle, out _), "Ending");

        end.Should().Throw<InvalidOperationException>().WithMessage(
            "Ending failed with CUDA error 901: operation failed due to a previous error during capture.");
    }

    [Scenario]
    public void A_models_step_is_one_launch_from_the_second_time_on()
    {
        using GpuDevice device = GpuDevice.Open(new() { Kind = GpuKind.Cuda });
        using MambaLanguageModel model = new(device, TwoLayers, new Random(1));
        using ModelState state = model.CreateState(), other = model.CreateState();
        float[] logits = new float[16];

        for (int i = 0; i < 4; i++)
        {
            model.Step([i], state, logits);
        }

        string[] graphs = StubLog.Lines("graph");
        graphs.Should().HaveCount(4);
        graphs[0].Should().EndWith("instantiated");
        graphs[1..].Should().OnlyContain(line => line.Contains("launched", StringComparison.Ordinal));
        int launches = StubLog.Lines("launch").Length;
        model.Step([4], state, logits);
        StubLog.Lines("launch").Should().HaveCount(launches, "a replay starts nothing by itself");
        state.Positions.Should().Equal(5);
        Action outside = () => model.Step([16], state, logits);
        outside.Should().Throw<ArgumentOutOfRangeException>("a replay checks its tokens, too");
    }

    [Scenario]
    public void A_step_is_recorded_again_after_memory_was_freed()
    {
        using GpuDevice device = GpuDevice.Open(new() { Kind = GpuKind.Cuda, Precision = Precision.BFloat16 });
        using MambaLanguageModel model = new(device, TwoLayers, new Random(1));
        using ModelState state = model.CreateState();
        float[] logits = new float[16];
        for (int i = 0; i < 3; i++)
        {
            model.Step([i], state, logits);
        }

        model.Narrow(); // the weights stand elsewhere now
        for (int i = 0; i < 3; i++)
        {
            model.Step([i], state, logits);
        }

        StubLog.Lines("graph").Where(line => line.EndsWith("instantiated", StringComparison.Ordinal))
            .Should().HaveCount(2);
        StubLog.Lines("graph").Where(line => line.Contains("launched", StringComparison.Ordinal)).Should().HaveCount(4);
    }

    [Scenario]
    public void A_step_is_recorded_again_after_a_model_was_adapted_and_after_it_was_merged()
    {
        using GpuDevice device = GpuDevice.Open(new() { Kind = GpuKind.Cuda });
        using MambaLanguageModel model = new(device, TwoLayers, new Random(1));
        using ModelState state = model.CreateState();
        float[] logits = new float[16];
        Steps();

        LowRank.Adapt(model, new(), new Random(2));
        Steps();
        LowRank.Merge(model);
        Steps();

        StubLog.Lines("graph").Where(line => line.EndsWith("instantiated", StringComparison.Ordinal))
            .Should().HaveCount(3);

        void Steps()
        {
            for (int i = 0; i < 3; i++)
            {
                model.Step([i], state, logits);
            }
        }
    }

    [Scenario]
    public void A_thousand_replayed_steps_take_no_memory()
    {
        using GpuDevice device = GpuDevice.Open(new() { Kind = GpuKind.Cuda });
        using MambaLanguageModel model = new(device, TwoLayers, new Random(1));
        using ModelState state = model.CreateState();
        float[] logits = new float[16];
        int[] ids = [1];
        for (int i = 0; i < 4; i++)
        {
            model.Step(ids, state, logits);
        }

        long onDevice = device.AllocatedBytes, reserved = device.ReservedBytes;
        long managed = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            model.Step(ids, state, logits);
        }

        managed = GC.GetAllocatedBytesForCurrentThread() - managed;
        managed.Should().Be(0);
        device.AllocatedBytes.Should().Be(onDevice);
        device.ReservedBytes.Should().Be(reserved);
    }

    [Scenario]
    public void A_greedy_token_copies_eight_bytes_a_text_to_the_host_after_one_graph_of_few_launches()
    {
        MixerOptions first = new MambaMixerOptions { ModelDim = 64 }, second = new Mamba2MixerOptions { ModelDim = 64 };
        ReadOnlySpan<(bool, int, MixerOptions)> cases =
            [(false, 1, first), (false, 64, first), (true, 1, first), (true, 64, first), (true, 1, second)];
        foreach ((bool isCudaC, int texts, MixerOptions mixer) in cases)
        {
            LanguageModelConfig config = new()
            {
                VocabularySize = 50,
                VocabularyMultiple = 8,
                Layers = [.. Enumerable.Repeat(mixer, 24)],
            };
            using GpuDevice device = GpuDevice.Open(
                new() { Kind = GpuKind.Cuda, Precision = Precision.BFloat16, CudaKernels = isCudaC });
            using MambaLanguageModel model = new(device, config, new Random(1));
            model.Narrow();
            using ModelState state = model.CreateState(texts);
            Likeliest[] likeliest = new Likeliest[texts];
            int[] ids = new int[texts];
            model.Step(ids, state, likeliest);
            model.Step(ids, state, likeliest);
            int before = StubLog.Lines().Length;

            model.Step(ids, state, likeliest);

            string[] lines = StubLog.Lines()[before..];
            string graph = lines.Should()
                .ContainSingle(line => line.StartsWith("graph", StringComparison.Ordinal)).Which;
            int launches = int.Parse(graph.Split(' ')[2], CultureInfo.InvariantCulture);
            if (isCudaC)
            {
                // One row is normalised by the products, in four launches a layer; many are by a launch of their own.
                launches.Should().Be(texts == 1 ? 99 : 1 + (5 * 24) + 3, "embeddings; the layers; head and choice");
            }
            else
            {
                int more = texts == 1 ? 1 : 2; // ILGPU's choice goes by parts, in a copy without the padding
                launches.Should().BeLessThanOrEqualTo(
                    1 + (7 * 24) + 3 + more, "embeddings; seven a layer; norm, head and the choice");
            }

            lines.Where(line => line.StartsWith("copy device to host", StringComparison.Ordinal))
                .Should().ContainSingle().Which.Should().StartWith($"copy device to host {8 * texts} ");
        }
    }

    [Scenario]
    public void The_kernels_of_a_step_start_before_the_one_before_them_has_ended()
    {
        string[] overlaps = [.. Decode().Select(line => line.Split(' ')[1])];

        // The first kernel waits for the embeddings, which another kind of kernel gathers.
        string[] ofLayer = ["normed_convolved_8:", "product_8:", "scan_step:", "product_8:"];
        string[] ofStep = [.. ofLayer[1..], .. ofLayer, "normed_product_8:", "largest:"];
        overlaps.Should().Equal([.. ofStep, .. ofStep], "of the step that runs and of the one that is captured");
        StubLog.Lines("module").Should().ContainSingle(line => line.StartsWith("module version 8.4"))
            .Which.Should().Contain("target sm_90");
    }

    [Scenario(Environment = ["MAMBA_STUB_CAPABILITY=8.9"])]
    public void Before_9_0_kernels_start_one_after_the_other()
    {
        Decode().Should().BeEmpty();
        StubLog.Lines("module").Should().ContainSingle(line => line.StartsWith("module version 8.4"))
            .Which.Should().Contain("target sm_80");
    }

    /// <summary>Steps of a model by kernels in CUDA C; returns the launches that overlap.</summary>
    private static string[] Decode()
    {
        using GpuDevice device = GpuDevice.Open(
            new() { Kind = GpuKind.Cuda, Precision = Precision.BFloat16, CudaKernels = true });
        LanguageModelConfig config = new()
        {
            VocabularySize = 16,
            VocabularyMultiple = 8,
            Layers = [new MambaMixerOptions { ModelDim = 64 }, new MambaMixerOptions { ModelDim = 64 }],
        };
        using MambaLanguageModel model = new(device, config, new Random(1));
        model.Narrow();
        using ModelState state = model.CreateState();
        Likeliest[] likeliest = new Likeliest[1];
        model.Step([1], state, likeliest);
        model.Step([1], state, likeliest);
        model.Step([1], state, likeliest);
        return StubLog.Lines("overlap");
    }

    private static LanguageModelConfig TwoLayers => new()
    {
        VocabularySize = 16,
        VocabularyMultiple = 8,
        Layers =
        [
            new MambaMixerOptions { ModelDim = 12, StateDim = 4 },
            new Mamba2MixerOptions { ModelDim = 12, StateDim = 8, HeadDim = 6 },
        ],
    };
}
