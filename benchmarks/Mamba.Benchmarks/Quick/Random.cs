using Mamba.Devices;

namespace Mamba.Benchmarks.Quick;

/// <summary>Seeded random inputs.</summary>
internal static class Random
{
    public static DeviceArray Array(Device device, Shape shape, double low, double high)
    {
        System.Random random = new(1);
        float[] values = new float[shape.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (float)(low + ((high - low) * random.NextDouble()));
        }

        return device.Array(shape, values);
    }
}
