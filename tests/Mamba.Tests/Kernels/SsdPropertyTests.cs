using CsCheck;
using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Tests.Kernels;

public sealed class SsdPropertyTests
{
    // Chunks that begin elsewhere round elsewhere: as far apart as two runs may be that each match the reference.
    private const double Tolerance = 4e-6;
    private const double GradientTolerance = 1e-5;

    private static readonly string[] OfTokens =
        ["y", "X", "Delta", "LogDecay", "InputScale", "DiagonalScale", "B", "C", "Z"];

    [Fact]
    public void Splitting_a_sequence_and_carrying_the_state_changes_nothing() =>
        Gen.Select(Gen.Int[2, 90], Gen.Int[0, 90], Gen.Int[0, 9999]).Sample(
            (length, cut, seed) =>
            {
                cut = Math.Min(cut, length);
                SsdCase c = new() { Length = length, Heads = 5, HeadDim = 3, States = 6, HasZ = true, Seed = seed };
                using Device device = TestDevice.Open();
                Dictionary<string, DeviceArray> whole = c.Run(device);

                Dictionary<string, float[]> parts = RunInTwoParts(c, cut, device);

                foreach ((string name, float[] values) in parts)
                {
                    values.ShouldBeClose(
                        whole[name].ToArray(), name is "y" or "final state" ? Tolerance : GradientTolerance, name);
                }
            },
            iter: 25,
            threads: 1);

    [Fact]
    public void The_chunk_length_changes_nothing() =>
        Gen.Select(Gen.Int[1, 80], Gen.Int[1, 90], Gen.Int[0, 9999]).Sample(
            (length, chunk, seed) =>
            {
                SsdCase c = new() { Length = length, Heads = 5, HeadDim = 3, States = 6, HasZ = true, Seed = seed };
                using Device device = TestDevice.Open();

                Dictionary<string, DeviceArray> expected = c.Run(device);
                Dictionary<string, DeviceArray> actual = (c with { ChunkLength = chunk }).Run(device);

                foreach ((string name, DeviceArray array) in actual)
                {
                    array.ToArray().ShouldBeClose(
                        expected[name].ToArray(),
                        name is "y" or "final state" ? Tolerance : GradientTolerance,
                        name);
                }
            },
            iter: 25,
            threads: 1);

    [Theory]
    [InlineData(5)]
    [InlineData(100)]
    public void A_sequence_gives_the_same_bits_alone_in_a_batch_and_packed(int length)
    {
        SsdCase batch = new()
        {
            Batch = 3, Length = length, Heads = 4, Groups = 2, HeadDim = 6, States = 9, HasZ = true,
        };
        SsdCase packed = batch with { Batch = 1, Length = 3 * length, Segments = [length, length, length] };
        SsdCase alone = batch with { Batch = 1 };
        Dictionary<string, float[]> values = batch.Values();
        using Device device = TestDevice.Open(2);

        Dictionary<string, DeviceArray> inBatch = batch.Run(device), inPack = packed.Run(device, values);

        // The first of the three gets the same gradients of its outputs, since these are drawn in order.
        Dictionary<string, DeviceArray> onItsOwn = alone.Run(device, FirstOf(values, 3));
        foreach ((string name, DeviceArray array) in inBatch)
        {
            inPack[name].ToArray().ShouldHaveTheBitsOf(array.ToArray(), name);
            if (OfTokens.Contains(name) || name is "final state" or "InitialState")
            {
                float[] own = onItsOwn[name].ToArray();
                own.ShouldHaveTheBitsOf(array.ToArray()[..own.Length], name);
            }
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public void Thread_count_changes_no_bit(int threads)
    {
        SsdCase c = new()
        {
            Batch = 2,
            Length = 200,
            Segments = [152, 5, 43, 200],
            Heads = 6,
            Groups = 2,
            HeadDim = 18,
            States = 20,
            HasZ = true,
        };
        using CpuDevice one = TestDevice.Cpu(1), many = TestDevice.Cpu(threads);

        Dictionary<string, DeviceArray> expected = c.Run(one), actual = c.Run(many);

        foreach ((string name, DeviceArray array) in actual)
        {
            array.ToArray().ShouldHaveTheBitsOf(expected[name].ToArray(), name);
        }
    }

    [Theory]
    [InlineData("X", 3, 5)]
    [InlineData("X", 5, 7)]
    [InlineData("X", 90, 100)]
    [InlineData("Delta", 66, 100)]
    [InlineData("B", 69, 100)]
    [InlineData("C", 3, 100)]
    public void What_comes_later_leaves_every_earlier_bit(string name, int token, int length)
    {
        SsdCase c = new() { Length = length, Heads = 2, HeadDim = 5, States = 6, HasZ = true };
        Dictionary<string, float[]> values = c.Values(), changed = c.Values();
        int width = changed[name].Length / length;

        // Where a chunk is one product, what comes later is multiplied by 0, and then only NaN would not vanish.
        changed[name].AsSpan(token * width).Fill(TestDevice.IsCpu ? float.NaN : 1e6f);
        using Device device = TestDevice.Open();

        float[] expected = c.Forward(device, values).Y.ToArray(), actual = c.Forward(device, changed).Y.ToArray();

        int before = token * 10;
        actual[..before].ShouldHaveTheBitsOf(expected[..before]);
        actual[before..].Should().NotEqual(expected[before..]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Steps_give_the_bits_of_a_short_sequence(bool decaysByThemselves)
    {
        SsdCase c = new()
        {
            Batch = 2, Length = 5, Heads = 4, Groups = 2, HeadDim = 3, States = 37, HasZ = true, Margin = 2,
            HasLogDecay = decaysByThemselves, HasDiagonalScale = decaysByThemselves,
        };
        using Device device = TestDevice.Open(2);
        SsdInputs inputs = c.On(device, c.Values());
        (DeviceArray y, DeviceArray finalState) = Functions.Ssd(inputs);
        DeviceArray state = device.Array(inputs.InitialState.Shape, inputs.InitialState.ToArray());

        for (int t = 0; t < c.Length; t++)
        {
            SsdInputs token = inputs with
            {
                X = Token(inputs.X, t),
                Delta = Token(inputs.Delta, t),
                LogDecay = Token(inputs.LogDecay, t),
                InputScale = Token(inputs.InputScale, t),
                DiagonalScale = Token(inputs.DiagonalScale, t),
                B = Token(inputs.B, t),
                C = Token(inputs.C, t),
                Z = Token(inputs.Z, t),
                InitialState = default,
            };

            Functions.SsdStep(token, state).ToArray().ShouldHaveTheBitsOf(Token(y, t).ToArray(), $"y at {t}");
        }

        state.ToArray().ShouldHaveTheBitsOf(finalState.ToArray());
    }

    // The exponential-trapezoidal rule of Mamba-3 (arXiv:2603.15569), whose input term has two tokens:
    // S_t = α_t·S_{t-1} + β_t·x_{t-1} ⊗ B_{t-1} + γ_t·x_t ⊗ B_t, with γ = λΔ and β = (1 - λ)Δα, and y_t = S_t·C_t.
    [Theory]
    [InlineData(4)]
    [InlineData(130)]
    public void A_trapezoidal_rule_is_one_scan(int length)
    {
        const int Heads = 3, HeadDim = 4, States = 6;
        float[] x = Samples.Normal(1, length * Heads * HeadDim), b = Samples.Normal(2, length * States);
        float[] c = Samples.Normal(3, length * States), delta = Samples.Uniform(4, length * Heads, 0.01, 1);
        float[] lambda = Samples.Uniform(5, length * Heads, 0, 1), rate = Samples.Uniform(6, length * Heads, -2, -0.1);
        float[] logDecay = new float[length * Heads], inputScale = new float[length * Heads];
        float[] diagonal = new float[length * Heads];
        double[] expected = new double[length * Heads * HeadDim];
        for (int head = 0; head < Heads; head++)
        {
            double[,] s = new double[HeadDim, States];
            for (int t = 0; t < length; t++)
            {
                int i = (t * Heads) + head, next = i + Heads;
                logDecay[i] = delta[i] * rate[i];
                diagonal[i] = lambda[i] * delta[i];
                inputScale[i] = diagonal[i] + (t + 1 < length ? (1 - lambda[next]) * delta[next] : 0f);
                double decay = Math.Exp(logDecay[i]), beta = (1 - (double)lambda[i]) * delta[i] * decay;
                for (int p = 0; p < HeadDim; p++)
                {
                    for (int n = 0; n < States; n++)
                    {
                        double before = t == 0 ? 0 : x[((i - Heads) * HeadDim) + p] * b[((t - 1) * States) + n];
                        double now = x[(i * HeadDim) + p] * b[(t * States) + n];
                        s[p, n] = (decay * s[p, n]) + (beta * before) + (diagonal[i] * now);
                        expected[(i * HeadDim) + p] += s[p, n] * c[(t * States) + n];
                    }
                }
            }
        }

        using Device device = TestDevice.Open();
        (DeviceArray y, _) = Functions.Ssd(new()
        {
            X = device.Array([1, length, Heads * HeadDim], x),
            B = device.Array([1, length, States], b),
            C = device.Array([1, length, States], c),
            LogDecay = device.Array([1, length, Heads], logDecay),
            InputScale = device.Array([1, length, Heads], inputScale),
            DiagonalScale = device.Array([1, length, Heads], diagonal),
        });

        y.ToArray().ShouldBeClose(expected, Tolerance, "y");
    }

    [Fact]
    public void Decays_in_two_forms_are_refused()
    {
        using Device device = TestDevice.Open();
        SsdCase c = new() { HasLogDecay = true };
        SsdInputs both = c.On(device, c.Values()) with { A = device.Array([2], [-1f, -1f]) };
        SsdInputs half = c.On(device, c.Values()) with { InputScale = default };

        FluentActions.Invoking(() => Functions.Ssd(both)).Should().Throw<ArgumentException>()
            .WithMessage("Expected either Delta and A, or LogDecay and InputScale; found * with one of*");
        FluentActions.Invoking(() => Functions.Ssd(half)).Should().Throw<ArgumentException>()
            .WithMessage("*InputScale*");
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        Assert.SkipWhen(TestDevice.IsEmulation, "The start of an emulated kernel allocates.");
        SsdCase c = new() { Batch = 3, Length = 1, HasInitialState = false };
        using Device device = TestDevice.Open();
        SsdInputs inputs = c.On(device, c.Values());
        DeviceArray state = device.Zeros([3, c.Heads, c.HeadDim, c.States]);
        Step();

        long allocated = Allocations.Of(Step);

        allocated.Should().Be(0);

        void Step()
        {
            using DeviceScope scope = device.Scope();
            Functions.SsdStep(inputs, state);
        }
    }

    private static DeviceArray Token(DeviceArray array, int t)
    {
        if (!array.Exists)
        {
            return default;
        }

        int batch = array.Shape[0], length = array.Shape[1], width = array.Shape.Width;
        float[] values = array.ToArray(), rows = new float[batch * width];
        for (int row = 0; row < batch; row++)
        {
            values.AsSpan(((row * length) + t) * width, width).CopyTo(rows.AsSpan(row * width));
        }

        return array.Device.Array([batch, width], rows);
    }

    /// <summary>The first of several sequences; what belongs to no sequence stays.</summary>
    private static Dictionary<string, float[]> FirstOf(Dictionary<string, float[]> values, int sequences) =>
        values.ToDictionary(
            pair => pair.Key,
            pair => pair.Key is "A" or "D" or "DeltaBias" ? pair.Value : pair.Value[..(pair.Value.Length / sequences)]);

    /// <summary>The outputs and gradients of both parts, one after the other.</summary>
    private static Dictionary<string, float[]> RunInTwoParts(SsdCase c, int cut, Device device)
    {
        Dictionary<string, float[]> values = c.Values();
        float[] gradientOfY = c.GradientOfY(device, [1, c.Length, c.Heads * c.HeadDim]).ToArray();
        SsdInputs first = (c with { Length = cut }).On(device, Part(values, ..cut));
        SsdInputs second = (c with { Length = c.Length - cut }).On(device, Part(values, cut..));
        using Tape tape = new(device);
        foreach (SsdInputs part in new[] { first, second })
        {
            foreach (DeviceArray array in SsdCase.Named(part).Values)
            {
                tape.Watch(array);
            }
        }

        (DeviceArray y1, DeviceArray between) = Functions.Ssd(first);
        second = second with { InitialState = between };
        (DeviceArray y2, DeviceArray finalState) = Functions.Ssd(second);
        int middle = (int)y1.Shape.Count;
        tape.Backward(
            (y1, device.Array(y1.Shape, gradientOfY.AsSpan(0, middle))),
            (y2, device.Array(y2.Shape, gradientOfY.AsSpan(middle))),
            (finalState, c.GradientOfState(device, finalState.Shape)));

        Dictionary<string, float[]> results = new()
        {
            ["y"] = [.. y1.ToArray(), .. y2.ToArray()],
            ["final state"] = finalState.ToArray(),
            ["InitialState"] = tape.GradientOf(first.InitialState).ToArray(),
        };
        Dictionary<string, DeviceArray> inSecond = SsdCase.Named(second);
        foreach ((string name, DeviceArray array) in SsdCase.Named(first))
        {
            float[] one = tape.GradientOf(array).ToArray(), two = tape.GradientOf(inSecond[name]).ToArray();
            results[name] = name == "InitialState" ? one
                : OfTokens.Contains(name) ? [.. one, .. two]
                : [.. one.Zip(two, (a, b) => a + b)];
        }

        return results;

        Dictionary<string, float[]> Part(Dictionary<string, float[]> all, Range tokens) => all.ToDictionary(
            pair => pair.Key,
            pair =>
            {
                if (!OfTokens.Contains(pair.Key))
                {
                    return pair.Value;
                }

                int width = pair.Value.Length / c.Length;
                (int offset, int count) = tokens.GetOffsetAndLength(c.Length);
                return pair.Value.AsSpan(offset * width, count * width).ToArray();
            });
    }
}
