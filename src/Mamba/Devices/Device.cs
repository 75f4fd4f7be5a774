using System.Numerics.Tensors;
using Mamba.Memory;

namespace Mamba.Devices;

/// <summary>
/// A place that holds arrays and computes with them: memory, and the closed set of operations that layers are made of.
/// </summary>
/// <remarks>
/// Many threads may use a device at once, a GPU one at a time. Each has its own scopes, tape and memory pool. Owned
/// arrays (weights, states, what is allocated without a scope) are shared: any thread may read them, and who writes
/// them, as optimisers and loaders do, sees to it that no other thread uses them meanwhile. An array of a scope is for
/// the thread that has the scope open; another one is refused. The device may split its work over threads of its own.
/// <para>
/// The operations come in families, one file each; what a backend must provide is abstract. Operations named
/// <c>…Backward</c> add to the gradients that they are given, and skip those that are absent (<c>default</c>).
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

    /// <summary>What computes, in words.</summary>
    public abstract string Description { get; }

    /// <summary>Allocates an array of zeros.</summary>
    /// <param name="shape">The sizes.</param>
    /// <returns>The array.</returns>
    public DeviceArray Zeros(Shape shape)
    {
        DeviceArray array = Allocate(shape);
        using DeviceScope scope = Scope();
        Fill(array, 0f);
        return array;
    }

    /// <summary>Copies values of the host into a new array.</summary>
    /// <param name="shape">The sizes.</param>
    /// <param name="values">The elements, row by row; as many as the shape has.</param>
    /// <returns>The array.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The number of values does not fit the shape.</exception>
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

    /// <summary>Copies a tensor of the host into a new array of the same shape.</summary>
    /// <param name="values">A tensor of one to six axes.</param>
    /// <returns>The array.</returns>
    /// <exception cref="ArgumentException">The tensor has no axes, or more than six.</exception>
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
    /// Copies integers of the host into a new index array: in the innermost scope, or for the caller to free.
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

    /// <summary>Copies other integers of the host into an index array of the same length.</summary>
    /// <param name="indices">The index array, which is void from now on.</param>
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

    /// <summary>How the outputs of layers are stored; the residual stream, states and gradients are float32.</summary>
    internal virtual Precision ActivationPrecision => Precision.Float32;

    /// <summary>Makes device memory for <paramref name="length"/> elements.</summary>
    /// <exception cref="NotSupportedException">The device has no arrays of this precision.</exception>
    private protected abstract Storage CreateStorage(nint length, Precision precision);

    /// <summary>Ends the backend, after all memory is freed.</summary>
    private protected abstract void Close();

    internal abstract void Upload(ReadOnlySpan<float> source, DeviceArray target);

    internal abstract void Download(DeviceArray source, Span<float> target);

    /// <summary>The integers of an index array, on the host.</summary>
    internal abstract ReadOnlySpan<int> ValuesOf(IndexArray indices);

    internal abstract void UploadIndices(ReadOnlySpan<int> source, Storage target);
}
