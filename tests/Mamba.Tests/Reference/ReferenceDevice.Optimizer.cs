using Mamba.Kernels;
using Mamba.Memory;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    internal override void AdamWUpdate(
        DeviceArray parameter, DeviceArray gradient, DeviceArray m, DeviceArray v, AdamWStep step)
    {
        View p = ViewOf(parameter), g = ViewOf(gradient), first = ViewOf(m), second = ViewOf(v);
        for (int i = 0; i < parameter.Shape.Count; i++)
        {
            p[i] *= 1 - (step.LearningRate * step.WeightDecay);
            first[i] = (step.Beta1 * first[i]) + ((1 - step.Beta1) * g[i]);
            second[i] = (step.Beta2 * second[i]) + ((1 - step.Beta2) * g[i] * g[i]);
            double corrected = first[i] / (1 - Math.Pow(step.Beta1, step.Step));
            double variance = second[i] / (1 - Math.Pow(step.Beta2, step.Step));
            p[i] -= step.LearningRate * corrected / (Math.Sqrt(variance) + step.Epsilon);
        }
    }
}
