using System.Numerics.Tensors;
using Mamba.Memory;

namespace Mamba.Devices;

/// <summary>A compute device: memory for arrays, and the fixed set of operations that layers are composed of.</summary>
/// <remarks>
/// Several threads may use a CPU device at once; a GPU serves one thread at a time. Each thread has its own scopes,
/// tape and memory pool. Owned arrays (weights, states, arrays allocated without a scope) are shared, and any thread
/// may read them. A caller that writes them, as optimisers and loaders do, must ensure that no other thread uses them
/// meanwhile. An array of a scope can only be used by the thread that opened the scope; other threads get an exception.
/// The device may split its work over its own threads.
/// <para>
/// The operations are grouped into families, one file each. A backend implements the abstract ones. Operations named
/// <c>…Backward</c> add to the given gradients, and skip absent ones (<c>default</c>).
/// </para>
/// </remarks>
/// <example>
/// <code>
/// using Device device = new CpuDevice();   // or GpuDevice.Open()
/// using DeviceScope scope = device.Scope();
/// DeviceArray x = device.Array([2, 3], [1, 2, 3, 4, 5, 6]);
/// float[] doubled = (x + x).ToArray();
/// </code>
/// </example>
public abstract partial class Device : IDisposable
{
    private protected Device()
    {
    }

    /// <summary>Description of the device.</summary>
    public abstract string Description { get; }

    /// <summary>Allocates an array of zeros.</summary>
    /// <param name="shape">The shape.</param>
    /// <returns>The array.</returns>
    public DeviceArray Zeros(Shape shape)
    {
        DeviceArray array = Allocate(shape);
        using DeviceScope scope = Scope();
        Fill(array, 0f);
        return array;
    }

    /// <summary>Copies host values into a new array.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="values">The elements in row-major order, as many as the shape has.</param>
    /// <returns>The array.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The number of values differs from the shape's.</exception>
    public DeviceArray Array(Shape shape, ReadOnlySpan<float> values)
    {
        if (values.Length != shape.Count)
        {
            throw new ArgumentOutOfRangeException(
                nameof(values), $"An array of shape {shape} has {shape.Count} elements; found {values.Length} values.");
        }

        DeviceArray array = Allocate(shape);
        array.CopyFrom(values);
        return array;
    }

    /// <summary>Copies a host tensor into a new array of the same shape.</summary>
    /// <param name="values">A tensor with one to six axes.</param>
    /// <returns>The array.</returns>
    /// <exception cref="ArgumentException">The tensor has no axes or more than six.</exception>
    public DeviceArray Array(in ReadOnlyTensorSpan<float> values)
    {
        Span<int> sizes = stackalloc int[values.Rank];
        for (int i = 0; i < sizes.Length; i++)
        {
            sizes[i] = checked((int)values.Lengths[i]);
        }

        float[] flat = new float[values.FlattenedLength];
        values.FlattenTo(flat);
        return Array(Shape.Create(sizes), flat);
    }

    /// <summary>
    /// Copies host integers into a new index array: in the innermost scope, or, without one, for the caller to free.
    /// </summary>
    /// <param name="values">The integers.</param>
    /// <returns>The index array.</returns>
    public IndexArray Indices(ReadOnlySpan<int> values)
    {
        Storage storage = Allocate([values.Length]).Storage;
        using DeviceScope scope = Scope();
        UploadIndices(values, storage);
        return new(storage, values);
    }

    /// <summary>Overwrites an index array with host integers of the same count.</summary>
    /// <param name="indices">The index array; invalid after the call.</param>
    /// <param name="values">The integers.</param>
    /// <returns>The index array with its new contents.</returns>
    internal IndexArray Update(IndexArray indices, ReadOnlySpan<int> values)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(values.Length, indices.Length, nameof(values));
        RequireContext().Require(indices.Storage);
        UploadIndices(values, indices.Storage);
        return new(indices.Storage, values);
    }

    /// <inheritdoc/>
    public override string ToString() => Description;

    /// <summary>Precision of layer outputs; the residual stream, states and gradients are float32.</summary>
    internal virtual Precision ActivationPrecision => Precision.Float32;

    /// <summary>Allocates device memory for <paramref name="length"/> elements.</summary>
    /// <exception cref="NotSupportedException">The device has no arrays of this precision.</exception>
    private protected abstract Storage CreateStorage(nint length, Precision precision);

    /// <summary>
    /// Whether the memory of an array has no more elements than the array, so that its end is the array's; pools then
    /// serve equal lengths only.
    /// </summary>
    internal virtual bool RentsExactSizes => false;

    /// <summary>Closes the backend after all memory has been freed.</summary>
    private protected abstract void Close();

    internal abstract void Upload(ReadOnlySpan<float> source, DeviceArray target);

    internal abstract void Download(DeviceArray source, Span<float> target);

    /// <summary>The integers of an index array, in host memory.</summary>
    internal abstract ReadOnlySpan<int> ValuesOf(IndexArray indices);

    internal abstract void UploadIndices(ReadOnlySpan<int> source, Storage target);
}
