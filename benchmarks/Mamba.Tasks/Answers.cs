using System.Numerics.Tensors;
using Mamba.Autograd;
using Mamba.Memory;
using Mamba.Models;

namespace Mamba.Tasks;

/// <summary>How well a language model answers the questions of batches; nothing else counts.</summary>
internal static class Answers
{
    /// <summary>The mean cross-entropy of the answers.</summary>
    public static DeviceArray Loss(MambaLanguageModel model, TaskBatch batch)
    {
        int[] asked = Asked(batch);
        int[] expected = Array.ConvertAll(asked, position => batch.Targets[position]);
        return Functions.CrossEntropy(Logits(model, batch, asked), model.Device.Indices(expected));
    }

    /// <summary>The share of answers that are right.</summary>
    public static double Accuracy(MambaLanguageModel model, IEnumerable<TaskBatch> batches)
    {
        int right = 0, total = 0;
        foreach (TaskBatch batch in batches)
        {
            using DeviceScope scope = model.Device.Scope();
            int[] asked = Asked(batch);
            int[] expected = Array.ConvertAll(asked, position => batch.Targets[position]);
            right += Right(Logits(model, batch, asked).ToArray(), expected);
            total += expected.Length;
        }

        return (double)right / total;
    }

    /// <summary>Counts the rows of logits whose largest is the expected class.</summary>
    public static int Right(ReadOnlySpan<float> logits, ReadOnlySpan<int> expected)
    {
        int classes = logits.Length / expected.Length, right = 0;
        for (int row = 0; row < expected.Length; row++)
        {
            right += TensorPrimitives.IndexOfMax(logits.Slice(row * classes, classes)) == expected[row] ? 1 : 0;
        }

        return right;
    }

    private static int[] Asked(TaskBatch batch) =>
        [.. Enumerable.Range(0, batch.Targets.Length).Where(i => batch.Targets[i] != Functions.IgnoredTarget)];

    /// <summary>The logits at some positions, counted through the batch: the head is not computed elsewhere.</summary>
    private static DeviceArray Logits(MambaLanguageModel model, TaskBatch batch, int[] positions)
    {
        DeviceArray h = model.Hidden(model.Embed(batch.Tokens, batch.Rows));
        DeviceArray all = h.Reshape([1, batch.Tokens.Length, model.Config.ModelDim]);
        return model.Logits(Functions.Gather(all, model.Device.Indices(positions)));
    }
}
