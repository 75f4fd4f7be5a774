using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Optimization;

/// <summary>
/// The gradients of a module's trainable parameters in a few contiguous arrays, for training in several processes: each
/// computes the gradients of its part of a batch, and between backward and <see cref="Optimizer.Step"/> the
/// <see cref="Buckets"/> are summed over all of them (an all-reduce) and divided by their number.
/// </summary>
/// <remarks>
/// A bucket is the memory of the gradients, not a copy: tapes add to it, and what is written to it is what the
/// optimiser sees. Parameters are in reverse order, because the backward pass reaches the last first. Each begins at a
/// multiple of 64 bytes, and the gaps stay zero. Every parameter has a gradient, of zeros if no tape reaches it.
/// Li et al., PyTorch Distributed, <see href="https://arxiv.org/abs/2006.15704"/>, section 3.2.
/// </remarks>
/// <example>
/// <code>
/// using GradientBuckets buckets = new(module);
/// tape.Backward(loss);
/// foreach (DeviceArray bucket in buckets.Buckets)
/// {
///     exchange.Average(bucket);              // over all processes
/// }
///
/// optimizer.Step();
/// </code>
/// </example>
public sealed class GradientBuckets : IDisposable
{
    /// <summary>Bytes of a bucket unless others are asked for, 25 MiB.</summary>
    public const long DefaultBytes = 25 << 20;

    private const int Alignment = 64 / sizeof(float);

    private readonly Device _device;
    private readonly List<DeviceArray> _buckets = [];

    /// <summary>Moves the gradients of a module to buckets; those that are there keep their values.</summary>
    /// <param name="module">The module.</param>
    /// <param name="bucketBytes">Maximum size of a bucket; a larger parameter has its own bucket.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of bytes is not positive.</exception>
    /// <exception cref="InvalidOperationException">The gradients are in other buckets.</exception>
    public GradientBuckets(Module module, long bucketBytes = DefaultBytes)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bucketBytes);
        _device = module.Device;
        Parameter[] parameters =
            [.. module.Parameters.Select(named => named.Parameter).Where(parameter => parameter.IsTrainable).Reverse()];
        if (parameters.Any(parameter => parameter.Value.Storage is { Gradient: not null, SharesGradient: true }))
        {
            throw new InvalidOperationException(
                "The gradients of this module are in other buckets; dispose those first.");
        }

        using DeviceScope scope = _device.Scope();
        List<(Parameter Parameter, int Bucket, nint Start)> places = [];
        List<nint> lengths = [];
        foreach (Parameter parameter in parameters)
        {
            nint padded = (parameter.Value.Shape.Count + Alignment - 1) / Alignment * Alignment;
            if (lengths.Count == 0 || (lengths[^1] > 0 && (long)(lengths[^1] + padded) * sizeof(float) > bucketBytes))
            {
                lengths.Add(0);
            }

            places.Add((parameter, lengths.Count - 1, lengths[^1]));
            lengths[^1] += padded;
        }

        try
        {
            foreach (nint length in lengths)
            {
                _buckets.Add(_device.AllocateOwned([checked((int)length)]));
                _device.Fill(_buckets[^1], 0f);
            }
        }
        catch
        {
            Dispose();
            throw;
        }

        foreach ((Parameter parameter, int bucket, nint start) in places)
        {
            DeviceArray before = parameter.Gradient;
            parameter.Value.Storage.ShareGradient(_buckets[bucket].Storage, start);
            if (before.Exists)
            {
                _device.Copy(before, parameter.Gradient);
                _device.Release(before);
            }
        }
    }

    /// <summary>The gradients, one vector a bucket; the last parameters' first.</summary>
    public IReadOnlyList<DeviceArray> Buckets => _buckets;

    /// <summary>
    /// Frees the buckets. Parameters then have no gradient until a tape allocates one.
    /// </summary>
    public void Dispose()
    {
        _buckets.ForEach(_device.Release);
        _buckets.Clear();
    }
}
