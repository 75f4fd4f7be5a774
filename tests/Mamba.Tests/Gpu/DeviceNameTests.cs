using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Gpu;
using Mamba.Memory;

namespace Mamba.Tests.Gpu;

public sealed class DeviceNameTests
{
    [Theory]
    [InlineData("cpu", null)]
    [InlineData("cpu:1", 1)]
    [InlineData("cpu:1024", 1024)]
    [InlineData("cpu,float32", null)]
    [InlineData("cpu:2,float32", 2)]
    public void The_processor_may_have_a_number_of_threads(string name, int? threads)
    {
        DeviceName device = DeviceName.Parse(name);

        device.Gpu.Should().BeNull();
        device.Threads.Should().Be(threads);
    }

    [Theory]
    [InlineData("cuda", GpuKind.Cuda, 0, Precision.Float32)]
    [InlineData("cuda:0", GpuKind.Cuda, 0, Precision.Float32)]
    [InlineData("cuda:12", GpuKind.Cuda, 12, Precision.Float32)]
    [InlineData("cuda,float32", GpuKind.Cuda, 0, Precision.Float32)]
    [InlineData("cuda,bfloat16", GpuKind.Cuda, 0, Precision.BFloat16)]
    [InlineData("cuda:1,bfloat16", GpuKind.Cuda, 1, Precision.BFloat16)]
    [InlineData("opencl", GpuKind.OpenCL, 0, Precision.Float32)]
    [InlineData("opencl:2", GpuKind.OpenCL, 2, Precision.Float32)]
    [InlineData("opencl:2,bfloat16", GpuKind.OpenCL, 2, Precision.BFloat16)]
    [InlineData("emulation", GpuKind.Emulation, 0, Precision.Float32)]
    [InlineData("emulation,bfloat16", GpuKind.Emulation, 0, Precision.BFloat16)]
    public void A_GPU_may_have_an_index_and_a_precision(string name, GpuKind kind, int index, Precision precision)
    {
        DeviceName device = DeviceName.Parse(name);

        device.Gpu.Should().Be(new GpuOptions { Kind = kind, Index = index, Precision = precision });
        device.Threads.Should().BeNull();
    }

    [Theory]
    [InlineData("", "auto, cpu, cuda, opencl or emulation")]
    [InlineData("abacus", "auto, cpu, cuda, opencl or emulation")]
    [InlineData("CUDA", "auto, cpu, cuda, opencl or emulation")]
    [InlineData(" cuda", "auto, cpu, cuda, opencl or emulation")]
    [InlineData("0", "auto, cpu, cuda, opencl or emulation")]
    [InlineData(",bfloat16", "auto, cpu, cuda, opencl or emulation")]
    [InlineData("cuda:", "cuda:INDEX, with an index from 0")]
    [InlineData("cuda:one", "cuda:INDEX, with an index from 0")]
    [InlineData("cuda:-1", "cuda:INDEX, with an index from 0")]
    [InlineData("cuda:1:2", "cuda:INDEX, with an index from 0")]
    [InlineData("opencl:2147483648", "opencl:INDEX, with an index from 0")]
    [InlineData("cpu:0", "cpu:THREADS, with 1 to 1024 threads")]
    [InlineData("cpu:1025", "cpu:THREADS, with 1 to 1024 threads")]
    [InlineData("cpu:", "cpu:THREADS, with 1 to 1024 threads")]
    [InlineData("auto:0", "auto without a number")]
    [InlineData("emulation:0", "emulation without a number")]
    [InlineData("cpu,bfloat16", "float32, the only precision of cpu")]
    [InlineData("cuda,", "float32 or bfloat16 after the comma")]
    [InlineData("cuda,int8", "float32 or bfloat16 after the comma")]
    [InlineData("cuda, bfloat16", "float32 or bfloat16 after the comma")]
    [InlineData("cuda,bfloat16,float32", "float32 or bfloat16 after the comma")]
    [InlineData("cuda,bfloat16:1", "float32 or bfloat16 after the comma")]
    public void A_name_of_another_form_is_refused_with_what_is_expected(string name, string expected) =>
        FluentActions.Invoking(() => DeviceName.Parse(name, "--device"))
            .Should().Throw<FormatException>().WithMessage($"--device: expected {expected}; found \"{name}\".");

    [Theory]
    [InlineData("auto")]
    [InlineData("auto,bfloat16")]
    public void Auto_is_a_CUDA_device_or_else_the_processor(string name)
    {
        DeviceName device = DeviceName.Parse(name);

        bool hasCuda = GpuDevice.Find().Any(found => found.Kind == GpuKind.Cuda);
        device.Gpu?.Kind.Should().Be(GpuKind.Cuda);
        (device.Gpu is not null).Should().Be(hasCuda);
    }

    [Fact]
    public void The_processor_is_opened_with_as_many_threads_as_its_name_says()
    {
        using Device device = DeviceName.Parse("cpu:3").Open();

        device.Should().BeOfType<CpuDevice>().Which.Threads.Should().Be(3);
    }

    [Fact]
    public void A_GPU_is_opened_with_its_precision()
    {
        using Device device = DeviceName.Parse("emulation,bfloat16").Open();

        device.Should().BeOfType<GpuDevice>().Which.Info.Kind.Should().Be(GpuKind.Emulation);
        device.Description.Should().Contain("BFloat16");
    }

    [Fact]
    public void A_GPU_that_is_not_there_is_not_looked_for_before_it_is_opened()
    {
        DeviceName device = DeviceName.Parse("cuda:1000");

        device.Invoking(name => name.Open()).Should().Throw<NotSupportedException>().WithMessage("*device 1000*");
    }
}
