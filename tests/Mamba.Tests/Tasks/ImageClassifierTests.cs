using Mamba.Devices;
using Mamba.Memory;
using Mamba.Tasks.Pixels;

namespace Mamba.Tests.Tasks;

public sealed class ImageClassifierTests
{
    [Fact]
    public void The_mean_is_taken_over_the_patches_of_each_image()
    {
        using Device device = TestDevice.Open();
        using DeviceScope scope = device.Scope();
        DeviceArray x = device.Array([2, 3, 2], [1, 2, 3, 4, 8, 12, -1, 0, -1, 0, -1, 3]);

        DeviceArray mean = ImageClassifier.MeanOverLength(x);

        mean.Shape.Should().Be(Shape.Create([2, 2]));
        mean.ToArray().ShouldBeClose([4f, 6f, -1f, 1f], 1e-12);
    }
}
