using System.Diagnostics;
using System.Globalization;
using Mamba.Autograd;
using Mamba.Gpu;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Gpu.Stub;
using Mamba.Tests.Kernels;

namespace Mamba.Tests.Gpu;

/// <summary>Kernels on their way to the device: code, sizes, arguments, and what a launch costs.</summary>
public sealed class CudaLaunchScenarios
{
    private static readonly GpuOptions Cuda = new() { Kind = GpuKind.Cuda };

    [Scenario]
    public void Code_is_made_for_compute_capability_9_0() => ShouldLoad("version 8.8 target sm_90");

    [Scenario(Environment = ["MAMBA_STUB_CAPABILITY=8.0"])]
    public void Code_is_made_for_compute_capability_8_0() => ShouldLoad("version 8.8 target sm_80");

    [Scenario(Environment = ["MAMBA_STUB_CAPABILITY=8.9"])]
    public void Code_for_compute_capability_8_0_serves_8_9() => ShouldLoad("version 8.8 target sm_80");

    [Scenario(Environment = ["MAMBA_STUB_CAPABILITY=12.0"])]
    public void Code_for_compute_capability_9_0_serves_those_after_it() => ShouldLoad("version 8.8 target sm_90");

    [Scenario(Environment = ["MAMBA_STUB_CAPABILITY=7.5"])]
    public void Code_is_made_for_compute_capability_7_5() => ShouldLoad("version 8.8 target sm_75");

    [Scenario(Environment = ["MAMBA_STUB_DRIVER=12020"])]
    public void An_older_driver_gets_an_older_language() => ShouldLoad("version 8.2 target sm_90");

    [Scenario(Environment = ["MAMBA_STUB_DRIVER=12030"])]
    public void A_driver_too_old_for_the_kernels_in_CUDA_C_gets_the_others() => LaunchesOfAScan().Should().Be(0);

    [Scenario(Environment = ["MAMBA_STUB_DRIVER=12040"])]
    public void A_driver_for_CUDA_12_4_runs_the_kernels_in_CUDA_C() => LaunchesOfAScan().Should().Be(1);

    [Scenario]
    public void A_kernel_is_loaded_once()
    {
        using GpuDevice device = GpuDevice.Open(Cuda), second = device.Share();
        using DeviceScope scope = device.Scope(), secondScope = second.Scope();

        device.Zeros([100]);
        device.Zeros([2, 1000]);
        second.Zeros([100]);

        StubLog.Lines("module").Should().ContainSingle();
        StubLog.Lines("launch").Should().HaveCount(3);
    }

    [Scenario]
    public void A_launch_has_threads_for_every_element_and_its_arguments()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        using DeviceScope scope = device.Scope();

        device.Fill(device.Allocate([5, 1001]), float.Pi);

        // 5005 elements, four to a thread, 256 threads to a group.
        string launch = StubLog.Lines("launch").Should().ContainSingle().Which;
        launch.Should().Contain(" grid 5 1 1 block 256 1 1 shared 0 stream 1 ");
        string arguments = launch.Split(' ')[^1];
        arguments.Should().Contain("db0f4940", "the value is π").And.Contain("8d13000000000000", "the width is 5005");
    }

    [Scenario]
    public void A_slice_is_filled_row_by_row()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        using DeviceScope scope = device.Scope();

        device.Fill(device.Allocate([3, 64]).Slice(8, 20), 1f);

        // 20 elements are five threads, so eight; the other axis of the group has rows.
        StubLog.Lines("launch").Should().ContainSingle().Which.Should().Contain(" grid 1 1 1 block 8 32 1 ");
    }

    [Scenario]
    public void Nothing_is_launched_for_no_elements()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        using DeviceScope scope = device.Scope();

        device.Zeros([0, 7]);
        device.Zeros([7, 0]);

        StubLog.Lines("launch").Should().BeEmpty();
    }

    [Scenario(HasLog = false)]
    public void A_launch_allocates_nothing()
    {
        const int Count = 10_000;
        using GpuDevice device = GpuDevice.Open(Cuda);
        using DeviceScope scope = device.Scope();
        DeviceArray x = device.Allocate([4, 1000]), y = device.Allocate([4, 1000]);
        (long fill, double fillTime) = Measure(() => device.Fill(x, 1f));
        (long add, double addTime) = Measure(() => device.AddScaled(x, 2f, y));
        DeviceArray small = x.Slice(0, 4); // for the stub computes what it is asked
        (long product, double productTime) = Measure(() => device.MatMul(small, false, small, true, small, true));
        (long upload, double uploadTime) = Measure(() => y.CopyFrom(new ReadOnlySpan<float>(Source)));
        ScanCase sizes = new(2, 1, 300, 16);
        ScanInputs inputs = sizes.Inputs(device) with { InitialState = default };
        DeviceArray state = device.Zeros(sizes.StateShape);
        (long step, double stepTime) = Measure(() =>
        {
            using DeviceScope inner = device.Scope();
            Functions.SelectiveScanStep(inputs, state);
        });
        device.LaunchesInCudaC.Should().BeGreaterThan(0);

        TestContext.Current.TestOutputHelper!.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"ns: fill {fillTime:0}, add {addTime:0}, product {productTime:0}, upload {uploadTime:0}, " +
            $"step {stepTime:0}"));
        (fill, add, product, upload, step).Should().Be((0, 0, 0, 0, 0), "bytes of the managed heap");

        (long Bytes, double Nanoseconds) Measure(Action action)
        {
            for (int i = 0; i < 1000; i++)
            {
                action(); // the kernel is compiled, and the path to it
            }

            device.Synchronize();
            long bytes = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
            for (int i = 0; i < Count; i++)
            {
                action();
            }

            double time = Stopwatch.GetElapsedTime(start).TotalNanoseconds / Count;
            bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;
            device.Synchronize();
            return (bytes, time);
        }
    }

    private static readonly float[] Source = new float[4000];

    private static long LaunchesOfAScan()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        using DeviceScope scope = device.Scope();
        ScanCase scan = new(1, 5, 8, 16);

        Functions.SelectiveScan(scan.Inputs(device));

        return device.LaunchesInCudaC;
    }

    private static void ShouldLoad(string module)
    {
        using GpuDevice device = GpuDevice.Open(Cuda);
        using DeviceScope scope = device.Scope();

        device.Zeros([100]);

        StubLog.Lines("module").Should().ContainSingle().Which.Should().StartWith($"module {module} ");
    }
}
