using Mamba.Devices;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Puts two arrays side by side along the last axis.</summary>
    /// <param name="a">Shape [.., m].</param>
    /// <param name="b">Shape [.., n], the other axes as in <paramref name="a"/>.</param>
    /// <returns>Shape [.., m + n].</returns>
    /// <exception cref="ArgumentException">An axis other than the last differs.</exception>
    public static DeviceArray Concat(DeviceArray a, DeviceArray b)
    {
        Device device = Require(a);
        Require(b);
        (int left, int right) = (a.Shape.Width, b.Shape.Width);
        if (a.Shape.WithWidth(right) != b.Shape)
        {
            throw new ArgumentException($"Only the last axes may differ; found {a.Shape} and {b.Shape}.");
        }

        bool follows = Tape.Follows(a, b);
        DeviceArray y = device.AllocateOutput(a.Shape.WithWidth(checked(left + right)), a.Precision);
        device.Copy(a, y.Slice(0, left));
        device.Copy(b, y.Slice(left, right));
        if (follows)
        {
            RecordConcat(device.Tape!, a, b, y);
        }

        return y;
    }

    /// <summary>
    /// The array itself where its rows stand one behind the other, or else a copy of which that is true.
    /// </summary>
    /// <param name="x">Any array.</param>
    /// <returns>A contiguous array of the same shape.</returns>
    public static DeviceArray Contiguous(DeviceArray x)
    {
        Device device = Require(x);
        if (x.IsContiguous)
        {
            return x;
        }

        bool follows = Tape.Follows(x);
        DeviceArray y = device.AllocateOutput(x.Shape, x.Precision);
        device.Copy(x, y);
        if (follows)
        {
            RecordContiguous(device.Tape!, x, y);
        }

        return y;
    }

    /// <summary>Repeats an array along a new first axis.</summary>
    /// <param name="x">Shape [..].</param>
    /// <param name="count">How often.</param>
    /// <returns>Shape [count, ..].</returns>
    internal static DeviceArray Repeat(DeviceArray x, int count)
    {
        bool follows = Tape.Follows(x);
        int width = checked((int)x.Shape.Count);
        DeviceArray row = x.Reshape([1, width]);
        DeviceArray rows = x.Device.AllocateOutput([count, width]);
        for (int i = 0; i < count; i++)
        {
            x.Device.Copy(row, rows.RowRange(i, 1));
        }

        if (follows)
        {
            RecordRepeat(x.Device.Tape!, x.Reshape([width]), rows);
        }

        return rows.Reshape(Shape.Create([count, .. x.Shape.ToArray()]));
    }

    private static void RecordConcat(Tape tape, DeviceArray a, DeviceArray b, DeviceArray y) =>
        tape.Record(
            [y],
            () =>
            {
                DeviceArray gy = tape.GradientOf(y);
                AddTo(tape.Wanted(a), gy.Slice(0, a.Shape.Width));
                AddTo(tape.Wanted(b), gy.Slice(a.Shape.Width, b.Shape.Width));
            });

    private static void RecordContiguous(Tape tape, DeviceArray x, DeviceArray y) =>
        tape.Record([y], () => AddTo(tape.GradientOf(x), tape.GradientOf(y)));

    private static void RecordRepeat(Tape tape, DeviceArray x, DeviceArray rows) =>
        tape.Record([rows], () => rows.Device.AddColumnSums(tape.GradientOf(rows), tape.GradientOf(x)));

    private static void AddTo(DeviceArray gradient, DeviceArray term)
    {
        if (gradient.Exists)
        {
            gradient.Device.AddScaled(term, 1f, gradient);
        }
    }
}
