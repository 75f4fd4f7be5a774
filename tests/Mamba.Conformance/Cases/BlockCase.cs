using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models.Checkpoints;

namespace Mamba.Conformance.Cases;

/// <summary>A whole mixer: a sequence at once, token by token, and a sequence pass over its first tokens.</summary>
internal static class BlockCase
{
    public static void Run(Device device, Golden golden, Report report)
    {
        using SequenceMixer mixer = Create(device, golden);
        List<NamedWeight> weights = [.. WeightNames.Of(mixer, "")];
        foreach (NamedWeight weight in weights)
        {
            weight.Load(Array.ConvertAll(golden[$"w.{weight.Name}"].Values, value => (float)value));
        }

        int unknown = golden.Names.Count(name => name.StartsWith("w.", StringComparison.Ordinal)) - weights.Count;
        if (unknown != 0)
        {
            throw new InvalidDataException($"The file has {unknown} parameters that the mixer has not.");
        }

        RunSequence(device, golden, report, mixer, weights);
        if (golden.Has("out.step_y"))
        {
            RunSteps(device, golden, report, mixer);
        }

        if (golden.Has("out.prefill_conv_state"))
        {
            RunPrefill(device, golden, report, mixer);
        }
    }

    private static SequenceMixer Create(Device device, Golden golden)
    {
        int modelDim = golden.Integer("d_model", 0), expand = golden.Integer("expand", 2);
        if (golden.Op == "mamba1_block")
        {
            return new MambaMixer(
                device,
                new()
                {
                    ModelDim = modelDim,
                    InnerDim = expand * modelDim,
                    StateDim = golden.Integer("d_state", 16),
                    ConvWidth = golden.Integer("d_conv", 4),
                    TimeStepRank = golden.Integer("dt_rank", (modelDim + 15) / 16),
                    Bias = golden.Flag("bias"),
                    ConvBias = golden.Flag("conv_bias", true),
                },
                random: null);
        }

        (float low, float high) = golden.Range("dt_limit");
        return new Mamba2Mixer(
            device,
            new()
            {
                ModelDim = modelDim,
                InnerDim = expand * modelDim,
                SsmDim = golden.Integer("d_ssm", expand * modelDim),
                StateDim = golden.Integer("d_state", 128),
                HeadDim = golden.Integer("headdim", 64),
                Groups = golden.Integer("ngroups", 1),
                ConvWidth = golden.Integer("d_conv", 4),
                Bias = golden.Flag("bias"),
                ConvBias = golden.Flag("conv_bias", true),
                DPerChannel = golden.Flag("D_has_hdim"),
                Norm = golden.Flag("rmsnorm", true),
                NormBeforeGate = golden.Flag("norm_before_gate"),
                DeltaMin = low,
                DeltaMax = high,
                ChunkLength = golden.Integer("chunk_size", 0),
            },
            random: null);
    }

    private static void RunSequence(
        Device device, Golden golden, Report report, SequenceMixer mixer, List<NamedWeight> weights)
    {
        using Tape tape = new(device);
        DeviceArray x = golden["in.hidden_states"].To(device);
        tape.Watch(x);
        DeviceArray y = mixer.Forward(x, null, golden.Segments());
        report.Compare("y", Nd.From(y), golden["out.y"], Bounds.Block);
        if (!golden.Has("grad_out.y"))
        {
            return;
        }

        tape.Backward((y, golden["grad_out.y"].To(device)));
        double bound = mixer is MambaMixer ? Bounds.Mamba1BlockGradient : Bounds.Mamba2BlockGradient;
        report.Compare("grad hidden_states", Nd.From(tape.GradientOf(x)), golden["grad.hidden_states"], bound);
        foreach (NamedWeight weight in weights.Where(weight => golden.Has($"grad_w.{weight.Name}")))
        {
            float[] gradient = weight.Export(weight.Parameter.Gradient);
            report.Compare(
                $"grad {weight.Name}",
                new(weight.Shape, Array.ConvertAll(gradient, value => (double)value)),
                golden[$"grad_w.{weight.Name}"],
                bound);
        }
    }

    private static void RunSteps(Device device, Golden golden, Report report, SequenceMixer mixer)
    {
        Nd x = golden["in.hidden_states"], expected = golden["out.step_y"];
        (int batch, int length, int width) = (x.Shape[0], x.Shape[1], x.Shape[2]);
        using LayerState state = mixer.CreateState(batch);
        Nd tokens = x.Permute(1, 0, 2), expectedTokens = expected.Permute(1, 0, 2);
        double[] stepped = new double[expectedTokens.Values.Length];
        for (int t = 0; t < length; t++)
        {
            DeviceArray y = mixer.Step(tokens.At(t).Reshape(batch, 1, width).To(device), state);
            Nd.From(y).Values.CopyTo(stepped, t * batch * width);
        }

        report.Compare("step_y", new(expectedTokens.Shape, stepped), expectedTokens, Bounds.Block);
        CompareState(golden, report, (MixerState)state, "");
    }

    private static void RunPrefill(Device device, Golden golden, Report report, SequenceMixer mixer)
    {
        Nd x = golden["in.hidden_states"];
        int length = golden.Integer("prefill_len", 0);
        Nd head = x.Permute(0, 2, 1);
        head = new Nd([head.Shape[0], head.Shape[1], length], First(head, length)).Permute(0, 2, 1);
        using LayerState state = mixer.CreateState(x.Shape[0]);
        mixer.Forward(head.To(device), state);
        CompareState(golden, report, (MixerState)state, "prefill_");
    }

    private static void CompareState(Golden golden, Report report, MixerState state, string prefix)
    {
        // The reference keeps as many inputs as the convolution is wide; one fewer are looked back on.
        int rows = state.Window.Shape[1];
        report.Compare(
            $"{prefix}conv_state",
            Nd.From(state.Window),
            golden[$"out.{prefix}conv_state"].Last(rows).Permute(0, 2, 1),
            Bounds.Block);
        Nd hidden = golden[$"out.{prefix}ssm_state"];
        report.Compare(
            $"{prefix}ssm_state",
            Nd.From(state.Hidden),
            hidden.Shape.Length == 3 ? hidden.Permute(0, 2, 1) : hidden,
            Bounds.Block);
    }

    private static double[] First(Nd nd, int count)
    {
        int width = nd.Shape[^1];
        return [.. nd.Values.Where((_, i) => i % width < count)];
    }
}
