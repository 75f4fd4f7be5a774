using Mamba.Memory;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    internal override void GatherRows(
        DeviceArray x, IndexArray indices, int batch, DeviceArray y, bool accumulate = false)
    {
        RequireGatherable(x, indices, batch, y);
        View source = ViewOf(x), target = ViewOf(y);
        int rows = (int)x.Shape.Rows / batch;
        for (int row = 0; row < y.Shape.Rows; row++)
        {
            int index = IndexAt(indices, row % indices.Length), part = row / indices.Length;
            for (int column = 0; column < y.Shape.Width; column++)
            {
                double value = index < 0 ? 0 : source[(part * rows) + index, column];
                target[row, column] = value + (accumulate ? target[row, column] : 0);
            }
        }
    }

    internal override void GatherRowsBackward(IndexArray indices, int batch, DeviceArray gy, DeviceArray gx)
    {
        RequireGatherable(gx, indices, batch, gy);
        View from = ViewOf(gy), to = ViewOf(gx);
        int rows = (int)gx.Shape.Rows / batch;
        for (int row = 0; row < gy.Shape.Rows; row++)
        {
            int index = IndexAt(indices, row % indices.Length), part = row / indices.Length;
            for (int column = 0; index >= 0 && column < gy.Shape.Width; column++)
            {
                to[(part * rows) + index, column] += from[row, column];
            }
        }
    }
}
