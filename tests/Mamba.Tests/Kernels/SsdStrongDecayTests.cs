using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Kernels;

/// <summary>Decays whose sums pass what a float holds, and signs of A that no decay has.</summary>
public sealed class SsdStrongDecayTests
{
    private const double Tolerance = 2e-6, GradientTolerance = 5e-6; // as in SsdTests

    private static readonly int[] Lengths = [1, 5, 6, 64, 65, 200];

    private static readonly SsdCase Case = new() { Heads = 3, HeadDim = 5, States = 6, HasZ = true };

    private static readonly Dictionary<string, Action<Dictionary<string, float[]>>> All = new()
    {
        ["A of -1e38"] = values => values["A"].AsSpan().Fill(-1e38f),
        ["A of -infinity"] = values => values["A"].AsSpan().Fill(float.NegativeInfinity),
        ["one head of -infinity"] = values => values["A"][1] = float.NegativeInfinity,
        ["Δ of 3e38"] = values =>
        {
            values["Delta"].AsSpan().Fill(3e38f);
            Scale(values["X"], 1e-24f); // so that Δ·x, and B times the gradient of h, stay within a float
            Scale(values["B"], 1e-8f);
        },
        ["weak decays behind Δ of 1e20"] = values => FillEverySeventh(values, 1e20f),
        ["weak decays behind Δ of 1e5"] = values => FillEverySeventh(values, 1e5f),
    };

    public static MatrixTheoryData<string, int> Cases => new(All.Keys, Lengths);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Matches_the_reference_with_all_gradients(string name, int length)
    {
        SsdCase c = Case with { Length = length };
        Dictionary<string, float[]> values = c.Values();
        All[name](values);
        using Device device = TestDevice.Open(2);
        using ReferenceDevice reference = new();
        using DeviceScope scope = device.Scope(), ofReference = reference.Scope();

        Dictionary<string, DeviceArray> actual = c.Run(device, values), expected = c.Run(reference, Finite(values));

        foreach ((string output, DeviceArray array) in actual)
        {
            bool isGradient = output is not ("y" or "final state");
            array.ToArray().ShouldBeClose(
                ReferenceDevice.Exact(expected[output]), isGradient ? GradientTolerance : Tolerance, output);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Steps_give_what_the_sequence_gives(string name, int length)
    {
        SsdCase c = Case with { Length = length };
        Dictionary<string, float[]> values = c.Values();
        All[name](values);
        using Device device = TestDevice.Open();
        using DeviceScope scope = device.Scope();
        SsdInputs inputs = c.On(device, values);
        (DeviceArray y, DeviceArray finalState) = Functions.Ssd(inputs);
        DeviceArray state = device.Array(inputs.InitialState.Shape, inputs.InitialState.ToArray());

        float[] steps = [.. Enumerable.Range(0, length).SelectMany(t => Step(inputs, state, t).ToArray())];

        float[] sequence = y.ToArray();
        Action<float[], float[], string> compare = length <= 5
            ? (actual, expected, what) => actual.ShouldHaveTheBitsOf(expected, what)
            : (actual, expected, what) => actual.ShouldBeClose(expected, 2 * Tolerance, what);
        compare(steps, sequence, "y");
        compare(state.ToArray(), finalState.ToArray(), "the state");
    }

    [Theory]
    [InlineData("A", 5)]
    [InlineData("A", 6)]
    [InlineData("A", 100)]
    [InlineData("Delta", 5)]
    [InlineData("Delta", 100)]
    public void A_decay_that_is_not_a_number_reaches_the_output(string input, int length)
    {
        SsdCase c = Case with { Length = length, Softplus = input == "A", DeltaMin = 0.1f, DeltaMax = 2 };
        Dictionary<string, float[]> values = c.Values();
        values[input].AsSpan().Fill(float.NaN);
        using Device device = TestDevice.Open();
        using DeviceScope scope = device.Scope();

        Dictionary<string, DeviceArray> results = c.Run(device, values);

        foreach (string name in new[] { "y", "final state", "A", "Delta", "InitialState" })
        {
            results[name].ToArray().Should().OnlyContain(value => float.IsNaN(value), "of {0}", name);
        }
    }

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(100)]
    public void Zero_times_infinity_is_not_a_number_from_its_token_on(int length)
    {
        SsdCase c = Case with { Length = length, Softplus = false, HasBias = false };
        Dictionary<string, float[]> values = c.Values();
        values["A"].AsSpan().Fill(float.NegativeInfinity);
        values["Delta"].AsSpan(3 * c.Heads, c.Heads).Clear();
        using Device device = TestDevice.Open();
        using DeviceScope scope = device.Scope();

        float[] y = c.Forward(device, values).Y.ToArray();

        int before = 3 * c.Heads * c.HeadDim;
        y[..before].Should().OnlyContain(value => float.IsFinite(value));
        y[before..].Should().OnlyContain(value => float.IsNaN(value));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(65)]
    public void A_positive_A_counts_as_zero_on_every_route(int length)
    {
        SsdCase c = Case with { Length = length };
        Dictionary<string, float[]> positive = c.Values(), zero = c.Values();
        positive["A"].AsSpan().Fill(0.5f);
        zero["A"].AsSpan().Clear();
        using Device device = TestDevice.Open();
        using DeviceScope scope = device.Scope();

        Dictionary<string, DeviceArray> actual = c.Run(device, positive), expected = c.Run(device, zero);

        actual["A"].ToArray().Should().OnlyContain(value => value == 0);
        foreach (string name in actual.Keys.Where(name => name != "A"))
        {
            actual[name].ToArray().ShouldHaveTheBitsOf(expected[name].ToArray(), name);
        }

        DeviceArray state = device.Array(expected["InitialState"].Shape, positive["InitialState"]);
        float[] steps =
        [
            .. Enumerable.Range(0, length).SelectMany(t => Step(c.On(device, positive), state, t).ToArray()),
        ];
        steps.ShouldBeClose(expected["y"].ToArray(), 2 * Tolerance, "y of steps");
    }

    /// <summary>Tokens that forget everything and bring nothing, before others that forget next to nothing.</summary>
    private static void FillEverySeventh(Dictionary<string, float[]> values, float delta)
    {
        int length = values["Delta"].Length / Case.Heads;
        for (int t = 3; t < length; t += 7)
        {
            values["Delta"].AsSpan(t * Case.Heads, Case.Heads).Fill(delta);
            values["X"].AsSpan(t * Case.Heads * Case.HeadDim, Case.Heads * Case.HeadDim).Clear();
            values["B"].AsSpan(t * Case.States, Case.States).Clear();
        }
    }

    private static void Scale(float[] values, float factor)
    {
        foreach (ref float value in values.AsSpan())
        {
            value *= factor;
        }
    }

    /// <summary>
    /// A of -infinity as a number of which <c>exp(Δ·A)</c> is 0, too: the loops' <c>A·exp(Δ·A)</c> then is 0, not NaN.
    /// </summary>
    private static Dictionary<string, float[]> Finite(Dictionary<string, float[]> values) => values.ToDictionary(
        pair => pair.Key, pair => Array.ConvertAll(pair.Value, value => Math.Max(value, -float.MaxValue)));

    private static DeviceArray Step(SsdInputs inputs, DeviceArray state, int t)
    {
        return Functions.SsdStep(
            inputs with
            {
                X = Token(inputs.X),
                Delta = Token(inputs.Delta),
                B = Token(inputs.B),
                C = Token(inputs.C),
                Z = Token(inputs.Z),
                InitialState = default,
            },
            state);

        DeviceArray Token(DeviceArray array)
        {
            int width = array.Shape.Width;
            return array.Device.Array([1, width], array.ToArray().AsSpan(t * width, width));
        }
    }
}
