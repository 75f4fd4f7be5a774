using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tasks.Pixels;

/// <summary>Batches of images, by number, and how well they are told apart.</summary>
internal sealed class ImageTask(ImageSet training, ImageSet test, RunSettings settings)
{
    private long _epoch = -1;
    private int[] _order = [];

    /// <summary>Steps of an epoch; images that do not fill a batch are left out of it.</summary>
    public int BatchesPerEpoch => training.Count / settings.Batch;

    /// <summary>The mean cross-entropy of a batch of the training images.</summary>
    public DeviceArray Loss(Device device, Func<DeviceArray, DeviceArray> logits, long step)
    {
        (long epoch, long batch) = Math.DivRem(step, BatchesPerEpoch);
        if (epoch != _epoch)
        {
            (_epoch, _order) = (epoch, training.Order(settings.Seed, epoch));
        }

        ReadOnlySpan<int> images = _order.AsSpan((int)batch * settings.Batch, settings.Batch);
        return Functions.CrossEntropy(
            logits(Patches(device, training, images)), device.Indices(training.Labels(images)));
    }

    /// <summary>The share of test images that are told right.</summary>
    public double Accuracy(Device device, Func<DeviceArray, DeviceArray> logits)
    {
        int[] all = [.. Enumerable.Range(0, test.Count)];
        int right = 0;
        foreach (int[] images in all.Chunk(settings.Batch))
        {
            using DeviceScope scope = device.Scope();
            right += Answers.Right(logits(Patches(device, test, images)).ToArray(), test.Labels(images));
        }

        return (double)right / all.Length;
    }

    private static DeviceArray Patches(Device device, ImageSet set, ReadOnlySpan<int> images) =>
        device.Array([images.Length, set.Length, set.PatchPixels], set.Patches(images));
}
