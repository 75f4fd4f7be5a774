using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Layers;

/// <summary>Mixers that read the tokens in several orders.</summary>
public sealed class DirectionalMixerTests
{
    private const int Dim = 6, Length = 6;

    // As of whole mixers in MixerTests.
    private const double Tolerance = 3e-6;
    private const double GradientTolerance = 2e-5;

    private static readonly ScanOrder[] Both = [ScanOrder.Forward, ScanOrder.Backward];
    private static readonly ScanOrder[] Cross = [ScanOrder.Rows(2, 3), ScanOrder.Columns(2, 3).Reversed()];

    private static readonly MambaMixerOptions Mamba1 = new() { ModelDim = Dim, StateDim = 3, TimeStepRank = 2 };

    private static readonly Mamba2MixerOptions Mamba2 = new()
    {
        ModelDim = Dim, StateDim = 5, HeadDim = 4, Groups = 3, Bias = true,
    };

    private static readonly Dictionary<string, DirectionalMixerOptions> All = new()
    {
        ["both ways"] = new(Mamba1, Both),
        ["padding"] = new(Mamba1, ScanOrder.Rows(2, 3).Insert(2), ScanOrder.Columns(2, 3)),
        ["an own A"] = new(Mamba1, Both) { Tying = DirectionTying.AllButA, Merge = DirectionMerge.Mean },
        ["one mixer, one tap"] = new(Mamba1 with { ConvWidth = 1 }, [.. Cross, ScanOrder.Backward])
        {
            Tying = DirectionTying.All,
        },
        ["one mixer, one tap, merged cores"] = new(Mamba1 with { ConvWidth = 1, Gate = false }, Cross)
        {
            Tying = DirectionTying.All, MergeAt = MergePoint.Core,
        },
        ["an own A, one tap"] = new(Mamba1 with { ConvWidth = 1, LearnableInitialState = true }, Cross)
        {
            Tying = DirectionTying.AllButA,
        },
        ["an own A, one tap, merged cores"] = new(Mamba1 with { ConvWidth = 1 }, Both)
        {
            Tying = DirectionTying.AllButA, Merge = DirectionMerge.Mean, MergeAt = MergePoint.Core,
        },
        ["one mixer, merged cores"] = new(Mamba1, Cross)
        {
            Tying = DirectionTying.All, MergeAt = MergePoint.Core, Merge = DirectionMerge.Learned,
        },
        ["one mixer, three orders"] = new(Mamba1, [.. Cross, ScanOrder.Backward])
        {
            Tying = DirectionTying.All, MergeAt = MergePoint.Output,
        },
        ["nothing shared"] = new(Mamba1, Both)
        {
            Tying = DirectionTying.None, MergeAt = MergePoint.Output, Merge = DirectionMerge.Concat,
        },
        ["product"] = new(Mamba1, Cross) { Merge = DirectionMerge.Product, MergeAt = MergePoint.Output },
        ["mamba2"] = new(Mamba2, Cross) { Merge = DirectionMerge.Gated },
        ["mamba2, an own A"] = new(Mamba2, Both) { Tying = DirectionTying.AllButA, Merge = DirectionMerge.Concat },
        ["mamba2 with an MLP"] = new(Mamba2 with { InnerDim = 16, SsmDim = 12 }, Both) { MergeAt = MergePoint.Core },
        ["s4d"] = new(new S4dMixerOptions { ModelDim = Dim, StateDim = 4, LearnableInitialState = true }, Both),
        ["s4d, an own A"] = new(new S4dMixerOptions { ModelDim = Dim, StateDim = 4, Gate = false }, Cross)
        {
            Tying = DirectionTying.AllButA, Merge = DirectionMerge.Gated, MergeAt = MergePoint.Core,
        },
        ["attention"] = new(new AttentionMixerOptions { ModelDim = Dim, Heads = 2, HeadDim = 4 }, Both)
        {
            Tying = DirectionTying.All, MergeAt = MergePoint.Output,
        },
    };

    public static TheoryData<string> Names => [.. All.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Matches_the_reference_with_all_gradients(string name)
    {
        using Device device = TestDevice.Open(2);
        using ReferenceDevice reference = TestDevice.Reference();

        Dictionary<string, double[]> actual = Run(device, name), expected = Run(reference, name);

        actual.Keys.Should().Equal(expected.Keys);
        foreach ((string array, double[] values) in actual)
        {
            Array.ConvertAll(values, value => (float)value).ShouldBeClose(
                expected[array], array == "y" ? Tolerance : GradientTolerance, $"{array} of {name}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Gradients_match_central_differences(string name)
    {
        using ReferenceDevice device = TestDevice.Reference();
        Dictionary<string, double[]> gradients = Run(device, name);
        using SequenceMixer mixer = Create(device, name);
        DeviceArray x = Input(device);
        double[] weights = Array.ConvertAll(Samples.Normal(4, 2 * Length * Dim), value => (double)value);
        foreach ((string input, DeviceArray array) in
            mixer.Parameters.Select(named => (named.Name, named.Parameter.Value)).Append(("x", x)))
        {
            double[] values = ReferenceDevice.Exact(array);
            for (int i = 0; i < values.Length; i += Math.Max(1, values.Length / 5))
            {
                const double H = 1e-4;
                ReferenceDevice.Set(array, i, values[i] + H);
                double above = Objective();
                ReferenceDevice.Set(array, i, values[i] - H);
                double below = Objective();
                ReferenceDevice.Set(array, i, values[i]);
                double scale = 1e-3 + gradients[input].Max(Math.Abs);
                Math.Abs(((above - below) / (2 * H)) - gradients[input][i]).Should().BeLessThan(
                    1e-6 * scale, "gradient {0} of {1}", i, input);
            }
        }

        double Objective()
        {
            using DeviceScope scope = device.Scope();
            return ReferenceDevice.Exact(mixer.Forward(x)).Zip(weights, (value, weight) => value * weight).Sum();
        }
    }

    [Fact]
    public void Directions_that_share_everything_are_one_mixer_on_reordered_tokens()
    {
        using Device device = TestDevice.Open();
        using DirectionalMixer mixer = (DirectionalMixer)Create(device, "one mixer, three orders");
        DeviceArray x = Input(device), expected = default;
        SequenceMixer one = mixer.Directions[0];
        foreach (ScanOrder order in All["one mixer, three orders"].Orders)
        {
            DeviceArray y = Functions.Restore(one.Forward(Functions.Reorder(x, order)), order);
            expected = expected.Exists ? expected + y : y;
        }

        mixer.Forward(x).ToArray().ShouldHaveTheBitsOf(expected.ToArray());
        mixer.Directions.Should().OnlyContain(direction => direction == one);
        mixer.Parameters.Select(named => named.Name).Should().Equal(one.Parameters.Select(named => named.Name));
    }

    // The output projection is linear, and Mamba-1 has no norm: where the sum is taken does not matter.
    [Theory]
    [InlineData("both ways")]
    [InlineData("padding")]
    [InlineData("one mixer, one tap")]
    [InlineData("one mixer, one tap, merged cores")]
    [InlineData("an own A, one tap")]
    public void A_sum_of_directions_is_the_sum_of_mixers_with_the_same_projections(string name)
    {
        using Device device = TestDevice.Open();
        using DirectionalMixer mixer = (DirectionalMixer)Create(device, name);
        DeviceArray x = Input(device), expected = default;
        for (int i = 0; i < mixer.Directions.Count; i++)
        {
            ScanOrder order = All[name].Orders[i];
            DeviceArray y = Functions.Restore(mixer.Directions[i].Forward(Functions.Reorder(x, order)), order);
            expected = i == 0 ? y : expected + y;
        }

        mixer.Forward(x).ToArray().ShouldBeClose(expected.ToArray(), Tolerance);
    }

    [Fact]
    public void Parameters_are_named_by_direction_and_shared_ones_are_there_once()
    {
        using Device device = TestDevice.OpenBare();
        string[] plain =
        [
            "convolution.weight", "convolution.bias", "in_projection.weight", "a_log", "d", "x_projection.weight",
            "dt_projection.weight", "dt_projection.bias", "out_projection.weight",
        ];
        string[] core =
        [
            "convolution.weight", "convolution.bias", "a_log", "d", "x_projection.weight", "dt_projection.weight",
            "dt_projection.bias",
        ];

        NamesOf(new(Mamba1, Both)).Should().BeEquivalentTo(
            [.. plain, .. core.Select(name => $"directions.1.{name}")]);
        NamesOf(new(Mamba1, Both) { Tying = DirectionTying.AllButA }).Should().BeEquivalentTo(
            [.. plain, "directions.1.a_log"]);
        NamesOf(new(Mamba1, Both) { Tying = DirectionTying.All }).Should().BeEquivalentTo(plain);
        NamesOf(new(Mamba1, Both) { Tying = DirectionTying.None, MergeAt = MergePoint.Output }).Should()
            .BeEquivalentTo([.. plain, .. plain.Select(name => $"directions.1.{name}")]);
        NamesOf(new(Mamba1, Both) { Merge = DirectionMerge.Gated }).Should().Contain(["merge.weight", "merge.bias"]);

        string[] NamesOf(DirectionalMixerOptions options)
        {
            using SequenceMixer mixer = options.Create(device, new Random(1));
            return [.. mixer.Parameters.Select(named => named.Name)];
        }
    }

    [Fact]
    public void Packed_sequences_are_read_both_ways_each_by_itself()
    {
        using Device device = TestDevice.Open();
        using SequenceMixer mixer = Create(device, "both ways");
        int[] lengths = [4, 0, 1, 7];
        float[] x = Samples.Normal(1, 12 * Dim);

        float[] packed = mixer.Forward(
            device.Array([1, 12, Dim], x), null, Segments.FromLengths(lengths)).ToArray();

        int start = 0;
        foreach (int length in lengths)
        {
            Range rows = (start * Dim)..((start + length) * Dim);
            packed[rows].ShouldBeClose(
                mixer.Forward(device.Array([1, length, Dim], x[rows])).ToArray(), Tolerance, $"from {start}");
            start += length;
        }
    }

    [Fact]
    public void A_disposed_mixer_frees_all_directions()
    {
        using Device device = TestDevice.Open();
        long before = device.AllocatedBytes;

        foreach (string name in All.Keys)
        {
            Create(device, name).Dispose();
        }

        device.AllocatedBytes.Should().Be(before);
    }

    [Fact]
    public void What_makes_no_sense_is_refused_by_name()
    {
        AttentionMixerOptions attention = new() { ModelDim = Dim, Heads = 2, HeadDim = 4 };
        Refused(new(Mamba1), "Expected at least one order, and none null; found none.");
        Refused(new(Mamba1, [null!]), "*found null.");
        Refused(new(Mamba1, Both) { ModelDim = 7 }, "ModelDim must be 6, as in the mixer's options; found 7.*");
        Refused(new(attention, Both), "Directions of AttentionMixerOptions can share everything or nothing*");
        Refused(
            new(Mamba1, Both) { Tying = DirectionTying.None },
            "*expected MergePoint.Output with DirectionTying.None; found MergePoint.Gate.");
        Refused(
            new(Mamba2 with { InnerDim = 16, SsmDim = 12 }, Both),
            "*expected MergePoint.Core or MergePoint.Output with an SsmDim below InnerDim; found MergePoint.Gate.");
        Refused(new(Mamba1, Both) { Merge = (DirectionMerge)9 }, "*Merge*9*");

        using Device device = TestDevice.OpenBare();
        using SequenceMixer cross = Create(device, "product");
        FluentActions.Invoking(() => cross.Forward(device.Zeros([1, 5, Dim]))).Should().Throw<ArgumentException>()
            .WithMessage("Expected [batch, 6, channels] for an order of *; found [1, 5, *");
        FluentActions.Invoking(() => cross.CreateState(1)).Should().Throw<NotSupportedException>();

        void Refused(DirectionalMixerOptions options, string message) =>
            FluentActions.Invoking(options.Validate).Should().Throw<ArgumentException>().WithMessage(message);
    }

    private static DeviceArray Input(Device device) =>
        device.Array([2, Length, Dim], Samples.Normal(3, 2 * Length * Dim));

    /// <summary>Makes a mixer whose every weight is random, also those that start as constants.</summary>
    private static SequenceMixer Create(Device device, string name)
    {
        SequenceMixer mixer = All[name].Create(device, new Random(1));
        int seed = 10;
        foreach ((string parameter, Parameter weights) in mixer.Parameters)
        {
            float[] noise = Samples.Normal(seed++, (int)weights.Value.Shape.Count), values = weights.Value.ToArray();
            weights.Value.CopyFrom([.. values.Zip(noise, (value, change) => value + (0.2f * change))]);
        }

        return mixer;
    }

    /// <summary>The output and the gradients of the input and of all parameters.</summary>
    private static Dictionary<string, double[]> Run(Device device, string name)
    {
        using SequenceMixer mixer = Create(device, name);
        DeviceArray x = Input(device);
        using Tape tape = new(device);
        tape.Watch(x);
        DeviceArray y = mixer.Forward(x);
        tape.Backward((y, device.Array(y.Shape, Samples.Normal(4, (int)y.Shape.Count))));
        Dictionary<string, double[]> results = new() { ["y"] = Exact(y), ["x"] = Exact(tape.GradientOf(x)) };
        foreach ((string parameter, Parameter weights) in mixer.Parameters)
        {
            results.Add(parameter, Exact(weights.Gradient));
        }

        return results;

        static double[] Exact(DeviceArray array) => array.Device is ReferenceDevice
            ? ReferenceDevice.Exact(array)
            : Array.ConvertAll(array.ToArray(), value => (double)value);
    }
}
