using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;

namespace Mamba.Tests.Layers;

/// <summary>What a state remembers, without the room for tokens that follow.</summary>
internal static class StateValues
{
    public static float[] Of(ModelState state) => [.. state.Layers.SelectMany(layer => Of(layer))];

    public static float[] Of(LayerState state) =>
        [.. Enumerable.Range(0, state.Batch).SelectMany(slot => Of(state, slot))];

    public static float[] Of(LayerState state, int slot)
    {
        List<float> values = [];
        for (int i = 0; i < state.Arrays.Count; i++)
        {
            DeviceArray array = state.Arrays[i];
            int size = (int)array.Shape.Count / state.Batch;
            int used = state.Grows(i) ? state.LengthOf(slot) * array.Shape.Width : size;
            values.AddRange(array.ToArray()[(slot * size)..((slot * size) + used)]);
        }

        return [.. values];
    }
}
