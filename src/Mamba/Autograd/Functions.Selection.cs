using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Autograd;

public static partial class Functions
{
    /// <summary>Finds the index of the largest number along an axis.</summary>
    /// <param name="x">The input, such as [batch, length, classes].</param>
    /// <param name="axis">
    /// The axis, of at least one element; negative values count from the end, -1 is the last.
    /// </param>
    /// <returns>One index for each number that <see cref="Max"/> gives, in their order.</returns>
    /// <exception cref="ArgumentException">The axis has no elements.</exception>
    /// <exception cref="ArgumentOutOfRangeException">x has no such axis.</exception>
    /// <remarks>
    /// Returns the first of equal numbers; NaN counts as the largest. There is no gradient. The call waits for the
    /// device.
    /// </remarks>
    /// <example>
    /// <code>
    /// IndexArray classes = Functions.ArgMax(logits);
    /// </code>
    /// </example>
    public static IndexArray ArgMax(DeviceArray x, int axis = -1)
    {
        Device device = Require(x);
        int index = AxisOf(x, axis);
        AxisView view = AxisView.Of(x.Shape, index);
        int[] found = new int[view.Kept];
        using (DeviceScope scope = device.Scope())
        using (Tape.Suspend(device))
        {
            Shape kept = Without(x.Shape, index, keep: false);
            DeviceArray places = device.Allocate(kept);
            device.AxisExtremum(Contiguous(x), view, largest: true, device.Allocate(kept), places);
            device.DownloadIntegers(places, found);
        }

        return device.Indices(found);
    }

    /// <summary>Finds the largest numbers of each row.</summary>
    /// <param name="x">The input, [.., width].</param>
    /// <param name="k">Number of entries, from 1 to the width.</param>
    /// <returns>
    /// The numbers, [.., k], largest first, and their indices in the row, k for each row in row order. Gradients flow
    /// to these elements.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">k is below 1 or above the width.</exception>
    /// <exception cref="OverflowException">The result has 2^31 elements or more.</exception>
    /// <remarks>
    /// Equal numbers come in the order of their indices; NaN counts as the largest. The device selects them. The call
    /// waits for it, because the host checks ranges of indices.
    /// </remarks>
    /// <example>
    /// Selects two experts for each token, with weights that sum to 1:
    /// <code>
    /// (DeviceArray scores, IndexArray experts) = Functions.TopK(router.Forward(x), 2);
    /// DeviceArray weights = Functions.Softmax(scores);
    /// </code>
    /// </example>
    public static (DeviceArray Values, IndexArray Places) TopK(DeviceArray x, int k)
    {
        Device device = Require(x);
        int width = x.Shape.Width;
        Setting.Require(k >= 1 && k <= width, nameof(k), $"from 1 to the width of {x.Shape}", k);
        int[] places = new int[checked((int)x.Shape.Rows * k)];
        TopKOperation top = Run(device, new TopKOperation { X = x, Count = k });
        device.DownloadIntegers(top.Places, places);
        return (top.Y, device.Indices(places));
    }
}
