using Mamba.Gpu;

namespace Mamba.Tests.Gpu;

public sealed class GpuOptionsTests
{
    [Fact]
    public void A_negative_index_is_refused_by_name() =>
        FluentActions.Invoking(() => GpuDevice.Open(new() { Index = -1 }))
            .Should().Throw<ArgumentOutOfRangeException>().WithParameterName("Index");

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(6)]
    public void An_emulated_group_has_a_power_of_two_of_threads_from_4_on(int threads) =>
        FluentActions.Invoking(() => GpuDevice.Open(new() { EmulatedGroupSize = threads }))
            .Should().Throw<ArgumentOutOfRangeException>().WithParameterName("EmulatedGroupSize");

    [Fact]
    public void A_group_is_as_large_as_asked()
    {
        using GpuDevice device = GpuDevice.Open(new() { Kind = GpuKind.Emulation, EmulatedGroupSize = 8 });

        device.GroupSize.Should().Be(8);
        device.Description.Should().Contain("Emulation 0").And.EndWith("Float32; products by ILGPU kernels");
    }

    [Fact]
    public void Looking_for_devices_never_fails() =>
        FluentActions.Invoking(GpuDevice.Find).Should().NotThrow()
            .Which.Should().NotContain(device => device.Kind == GpuKind.Emulation);

    [Fact]
    public void An_emulated_device_that_is_not_there_is_told_from_those_that_are() =>
        FluentActions.Invoking(() => GpuDevice.Open(new() { Kind = GpuKind.Emulation, Index = 1 }))
            .Should().Throw<NotSupportedException>().WithMessage("There is no device 1*Emulation: there is 1, *");
}
