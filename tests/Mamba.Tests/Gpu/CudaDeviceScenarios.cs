using Mamba.Gpu;
using Mamba.Gpu.Native;
using Mamba.Memory;
using Mamba.Tests.Gpu.Stub;

namespace Mamba.Tests.Gpu;

/// <summary>Finding and opening devices, and the libraries that it takes.</summary>
public sealed class CudaDeviceScenarios
{
    private static readonly GpuOptions Cuda = new() { Kind = GpuKind.Cuda };

    [Scenario]
    public void A_device_is_found()
    {
        GpuDevice.Find().Where(device => device.Kind == GpuKind.Cuda).Should()
            .Equal(new GpuInfo(GpuKind.Cuda, 0, "Stub GPU", 8589934592, "9.0"));
    }

    [Scenario]
    public void CUDA_comes_first()
    {
        using GpuDevice device = GpuDevice.Open();

        device.Info.Kind.Should().Be(GpuKind.Cuda);
    }

    [Scenario]
    public void Auto_chooses_CUDA()
    {
        DeviceName.Parse("auto,bfloat16").Should().Be(DeviceName.Parse("cuda,bfloat16"));
    }

    [Scenario]
    public void A_device_says_what_it_is_and_what_multiplies()
    {
        using GpuDevice device = GpuDevice.Open(Cuda with { Precision = Precision.BFloat16 });

        device.Description.Should().Be("Cuda 0: Stub GPU, 8.6 GB, 9.0; BFloat16; products by cuBLAS 13.0.0");
    }

    [Scenario(HasDriver = false)]
    public void Without_a_driver_the_message_says_what_installs_it()
    {
        Assert.SkipWhen(NativeLibraries.Has(CudaDriver.Library), "This machine has NVIDIA's driver.");

        FluentActions.Invoking(() => GpuDevice.Open(Cuda)).Should().Throw<NotSupportedException>().WithMessage(
            "There is no device 0 to compute on. Cuda: libcuda.so.1 or libcuda.so, which NVIDIA's driver installs, " +
            "cannot be loaded.");
        GpuDevice.Find().Should().NotContain(device => device.Kind == GpuKind.Cuda);
    }

    [Scenario(Environment = ["MAMBA_STUB_DEVICES=0"])]
    public void A_driver_without_a_device_is_told_from_no_driver()
    {
        FluentActions.Invoking(() => GpuDevice.Open(Cuda)).Should().Throw<NotSupportedException>().WithMessage(
            "There is no device 0 to compute on. Cuda: libcuda.so.1 or libcuda.so is there, but the driver lists no " +
            "device.");
    }

    [Scenario(Environment = ["MAMBA_STUB_DEVICES=2"])]
    public void A_device_that_is_not_there_is_answered_with_those_that_are()
    {
        FluentActions.Invoking(() => GpuDevice.Open(Cuda with { Index = 5 })).Should().Throw<NotSupportedException>()
            .WithMessage("There is no device 5 to compute on. Cuda: there are 2, Stub GPU, Stub GPU.");
    }

    [Scenario(Environment = ["MAMBA_STUB_DEVICES=2"])]
    public void The_second_device_is_opened()
    {
        using GpuDevice device = GpuDevice.Open(Cuda with { Index = 1 });

        device.Info.Index.Should().Be(1);
        StubLog.Lines("context").Should().Equal("context of device 1");
    }

    [Scenario(HasCuBlas = false)]
    public void Without_cuBLAS_kernels_multiply()
    {
        Assert.SkipWhen(NativeLibraries.Has(CuBlas.Library), "This machine has cuBLAS.");
        using GpuDevice device = GpuDevice.Open(Cuda);

        device.Description.Should().EndWith("products by ILGPU kernels");
    }

    [Scenario(HasCuBlas = false, Environment = ["MAMBA_CUBLAS={cublas}/libcublas.so.13"])]
    public void A_variable_names_the_file_of_cuBLAS() => ShouldMultiplyByTheStub();

    [Scenario(HasCuBlas = false, Environment = ["MAMBA_CUBLAS={cublas}"])]
    public void A_variable_names_the_folder_of_cuBLAS() => ShouldMultiplyByTheStub();

    [Scenario(Environment = ["MAMBA_CUBLAS=/nowhere/libcublas.so.13"])]
    public void A_variable_that_names_nothing_leaves_the_other_places() => ShouldMultiplyByTheStub();

    [Scenario]
    public void Nothing_is_left_when_a_device_is_disposed()
    {
        using (GpuDevice device = GpuDevice.Open(Cuda))
        using (GpuDevice second = device.Share())
        {
            device.Zeros([1000]);
            second.Array([3], [1f, 2f, 3f]);
        }

        StubLog.Lines("cublas closed").Should().HaveCount(2);
        StubLog.Lines("context")[^1].Should().Be("context destroyed, 0 bytes not freed");
    }

    private static void ShouldMultiplyByTheStub()
    {
        using GpuDevice device = GpuDevice.Open(Cuda);

        device.Description.Should().EndWith("products by cuBLAS 13.0.0");
        StubLog.Lines("cublas").Should().Equal("cublas opened", "cublas workspace 33554432");
    }
}
