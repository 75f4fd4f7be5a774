using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Autograd;

/// <summary>Gradients of random graphs, against differences in double precision.</summary>
public sealed class RandomGraphTests
{
    private const int Graphs = 60, Directions = 2;

    // Fourth-order differences in double with this step, through a dozen functions.
    private const double Step = 1e-3, DifferenceTolerance = 1e-7;

    // A dozen functions in float32, each good to some 1e-6; a gradient that cancels out is as wrong as its terms.
    private const double Tolerance = 3e-5;

    public static TheoryData<int> Families => [.. Enumerable.Range(0, Thorough.IsAsked ? 100 : 8)];

    [Theory]
    [MemberData(nameof(Families))]
    public void Gradients_are_differences(int family)
    {
        using Device tested = TestDevice.OpenBare(2);
        for (int seed = family * Graphs; seed < (family + 1) * Graphs; seed++)
        {
            RandomGraph graph = new(seed, 3 + (seed % 12));
            double[][] exact;
            using (ReferenceDevice reference = TestDevice.Reference())
            {
                exact = Run(reference, graph);
                ShouldBeDifferences(reference, graph, exact[1..], seed);
            }

            using DeviceScope scope = tested.Scope();
            double[][] actual = Run(tested, graph);
            double scale = Math.Max(1, exact.SelectMany(values => values).Max(Math.Abs));
            for (int i = 0; i < exact.Length; i++)
            {
                actual[i].Zip(exact[i], (value, expected) => Math.Abs(value - expected)).Max()
                    .Should().BeLessThanOrEqualTo(Tolerance * scale, "result {0} of graph {1} is {2}", i, seed, graph);
            }
        }
    }

    /// <summary>The output and the gradients of all inputs.</summary>
    private static double[][] Run(Device device, RandomGraph graph)
    {
        DeviceArray[] inputs = Array.ConvertAll(graph.Inputs, input => device.Array(input.Shape, input.Values));
        using Tape tape = new(device);
        Array.ForEach(inputs, tape.Watch);
        DeviceArray y = graph.Apply(inputs);
        tape.Backward((y, device.Array(y.Shape, UpstreamOf(y))));
        return [ReferenceDevice.ValuesOf(y), .. inputs.Select(x => ReferenceDevice.ValuesOf(tape.GradientOf(x)))];
    }

    /// <summary>Asserts that the gradients say how the output changes in some directions.</summary>
    private static void ShouldBeDifferences(ReferenceDevice device, RandomGraph graph, double[][] gradients, int seed)
    {
        for (int direction = 0; direction < Directions; direction++)
        {
            float[][] along = [.. graph.Inputs.Select((input, i) =>
                Samples.Normal((seed * 1000) + (direction * 100) + i, input.Values.Length))];
            double expected = ((8 * (At(1) - At(-1))) - (At(2) - At(-2))) / (12 * Step), actual = 0, size = 0;
            for (int i = 0; i < gradients.Length; i++)
            {
                for (int j = 0; j < gradients[i].Length; j++)
                {
                    actual += gradients[i][j] * along[i][j];
                    size += Math.Abs(gradients[i][j] * along[i][j]);
                }
            }

            Math.Abs(actual - expected).Should().BeLessThanOrEqualTo(
                DifferenceTolerance * size, "graph {0} is {1}", seed, graph);

            double At(int steps)
            {
                using DeviceScope scope = device.Scope();
                DeviceArray y = graph.Apply([.. graph.Inputs.Select((input, i) => device.ExactArray(
                    input.Shape, [.. input.Values.Select((value, j) => value + (steps * Step * along[i][j]))]))]);
                return ReferenceDevice.Exact(y).Zip(UpstreamOf(y), (value, weight) => value * weight).Sum();
            }
        }
    }

    private static float[] UpstreamOf(DeviceArray y) => Samples.Normal(77, (int)y.Shape.Count);
}
