using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Tests.Reference;

/// <summary>
/// The specification of every operation: plain loops in double, as in the papers. It is slow; every kernel, layer and
/// model is compared with it. It also proves that layers depend on no particular backend.
/// </summary>
internal sealed partial class ReferenceDevice : Device
{
    public override string Description => "float64 reference";

    /// <summary>Copies values into a new array without rounding them to float32.</summary>
    public DeviceArray ExactArray(Shape shape, ReadOnlySpan<double> values)
    {
        DeviceArray array = Allocate(shape);
        View view = ViewOf(array);
        for (int i = 0; i < values.Length; i++)
        {
            view[i] = values[i];
        }

        return array;
    }

    /// <summary>Copies the elements to the host without rounding them to float32.</summary>
    public static double[] Exact(DeviceArray array)
    {
        View view = ViewOf(array);
        double[] values = new double[array.Shape.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = view[i];
        }

        return values;
    }

    /// <summary>Copies the elements of any device's array; those of this device are not rounded.</summary>
    public static double[] ValuesOf(DeviceArray array) => array.Device is ReferenceDevice
        ? Exact(array)
        : System.Array.ConvertAll(array.ToArray(), value => (double)value);

    /// <summary>Sets one element, counted in row-major order, without rounding.</summary>
    public static void Set(DeviceArray array, int index, double value)
    {
        View view = ViewOf(array);
        view[index] = value;
    }

    /// <summary>Number of allocations beyond the pool until memory runs out; null: unlimited.</summary>
    public int? AllocationsLeft { get; set; }

    /// <summary>Whether the device captures work and repeats it at every replay, as CUDA does.</summary>
    public bool Records { get; init; }

    /// <summary>Whether only one thread may use the device at a time, as on a GPU.</summary>
    public bool IsForOneThread { get; init; }

    internal override bool AllowsManyThreads => !IsForOneThread;

    internal override bool CanRecord => Records;

    private protected override Storage CreateStorage(nint length, Precision precision)
    {
        if (AllocationsLeft == 0)
        {
            throw new InsufficientMemoryException("The test allows no more memory.");
        }

        AllocationsLeft--;
        return new DoubleStorage(this, length);
    }

    /// <summary>Number of replays of a recording.</summary>
    public int Replays { get; private set; }

    private protected override Recording.IReplay? Record(Action work) => new Replayed(this, work);

    private protected override void Close()
    {
    }

    internal override void Upload(ReadOnlySpan<float> source, DeviceArray target)
    {
        View view = ViewOf(target);
        for (int i = 0; i < source.Length; i++)
        {
            view[i] = source[i];
        }
    }

    internal override void Download(DeviceArray source, Span<float> target)
    {
        View view = ViewOf(source);
        for (int i = 0; i < source.Shape.Count; i++)
        {
            target[i] = (float)view[i];
        }
    }

    internal override void UploadIndices(ReadOnlySpan<int> source, Storage target)
    {
        for (int i = 0; i < source.Length; i++)
        {
            ((DoubleStorage)target).Values[i] = source[i];
        }
    }

    /// <summary>The elements of an array of any pitch, counted in row-major order.</summary>
    private static View ViewOf(DeviceArray array) =>
        array.Exists
            ? new(((DoubleStorage)array.Storage).Values, (int)array.Offset, array.Shape.Width, (int)array.Pitch)
            : default;

    private sealed class Replayed(ReferenceDevice device, Action work) : Recording.IReplay
    {
        public void Run()
        {
            device.Replays++;
            work();
        }

        public void Dispose()
        {
        }
    }

    private static int IndexAt(IndexArray indices, int i) => (int)((DoubleStorage)indices.Storage).Values[i];

    private readonly struct View(double[] values, int offset, int width, int pitch)
    {
        /// <summary>Whether the array exists; false for an absent optional argument.</summary>
        public bool Exists => values is not null;

        /// <summary>Element <paramref name="i"/> in row-major order.</summary>
        public ref double this[int i] => ref values[offset + (i / width * pitch) + (i % width)];

        /// <summary>The element at a row and a column.</summary>
        public ref double this[int row, int column] => ref values[offset + (row * pitch) + column];
    }

    private sealed class DoubleStorage(Device device, nint length) : Storage(device, length)
    {
        public double[] Values { get; } = new double[length];

        public override void Free()
        {
        }
    }
}
