using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Gguf;
using Mamba.Tests.Checkpoints;
using static Mamba.Tests.Gguf.GgufBytes;

namespace Mamba.Tests.Gguf;

/// <summary>Models with layers of several kinds in GGUF files: width 32, two layers, eight tokens.</summary>
public sealed class GgufHybridTests : IDisposable
{
    private const int F32 = 0, Q8 = 8;

    private readonly TemporaryFolder _folder = new(inMemory: true);

    public static TheoryData<string> Names => ["jamba", "falcon-h1", "granitehybrid", "nemotron_h"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void Blocks_are_kept_also_where_several_tensors_are_one_matrix(string name)
    {
        using CpuDevice device = TestDevice.Cpu(2);
        string path = _folder.Write("m.gguf", File(name, Q8).Make());

        using MambaLanguageModel kept = MambaLanguageModel.Load(path, device);
        using MambaLanguageModel wide = MambaLanguageModel.Load(path, device, precision: Precision.Float32);

        kept.Parameters.Count(named => named.Parameter.Value.Precision == Precision.Int8).Should().BeGreaterThan(4);
        float[] logits = GgufModels.Logits(kept, [1, 5, 2, 7, 3]);
        logits.Should().OnlyContain(value => float.IsFinite(value));
        logits.ShouldHaveTheBitsOf(GgufModels.Logits(wide, [1, 5, 2, 7, 3]));
    }

    [Fact]
    public void Tensors_are_where_the_model_has_them()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        string path = _folder.Write("m.gguf", File("jamba", F32).Make());
        using MambaLanguageModel model = MambaLanguageModel.Load(path, device);
        using GgufFile file = GgufFile.Open(path);
        Dictionary<string, Parameter> parameters =
            model.Parameters.ToDictionary(named => named.Name, named => named.Parameter);

        float[] attention = parameters["blocks.2.mixer.in_projection.weight"].Value.ToArray();
        float[] expert = parameters["blocks.3.mixer.experts.1.in.weight"].Value.ToArray();

        attention[..1024].Should().Equal(Values(file, "blk.1.attn_q.weight"));
        attention[1024..1536].Should().Equal(Values(file, "blk.1.attn_k.weight"));
        attention[1536..].Should().Equal(Values(file, "blk.1.attn_v.weight"));
        expert[..2048].Should().Equal(Values(file, "blk.1.ffn_up_exps.weight")[2048..]);
        expert[2048..].Should().Equal(Values(file, "blk.1.ffn_gate_exps.weight")[2048..]);
        parameters["blocks.0.mixer.dt_norm.weight"].Value.ToArray().Should().Equal(
            Values(file, "blk.0.ssm_dt_norm.weight"));
        float[] a = Values(file, "blk.0.ssm_a"), log = parameters["blocks.0.mixer.a_log"].Value.ToArray();
        log[1].Should().Be((float)Math.Log(-a[8])); // [states, channels] here
    }

    [Fact]
    public void Factors_and_rotary_positions_of_Granite_are_read()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        GgufBytes bytes = File("granitehybrid", F32).Key("granitehybrid.rope.scaling.finetuned", 7, 1)
            .Key("granitehybrid.logit_scale", 4f).Key("granitehybrid.embedding_scale", 3f)
            .Key("granitehybrid.residual_scale", 0.5f).Key("granitehybrid.attention.scale", 0.125f);

        using MambaLanguageModel model = MambaLanguageModel.Load(_folder.Write("m.gguf", bytes.Make()), device);

        model.Config.LogitScale.Should().Be(0.25f);
        model.Config.EmbeddingScale.Should().Be(3f);
        model.Config.ResidualScale.Should().Be(0.5f);
        AttentionMixerOptions attention = (AttentionMixerOptions)model.Config.Layers[2];
        (attention.RotaryDim, attention.RotaryInterleaved, attention.Scale).Should().Be((8, true, 0.125f));
    }

    [Theory]
    [InlineData("jamba", "x", "*the model that the keys describe has no tensor \"x\"*")]
    [InlineData("nemotron_h", "blk.0.ffn_norm.weight", "*has no tensor \"blk.0.ffn_norm.weight\"*")]
    public void A_tensor_too_many_is_refused(string name, string tensor, string message)
    {
        using CpuDevice device = TestDevice.Cpu(1);
        string path = _folder.Write("m.gguf", File(name, F32).Tensor(tensor, [1], 1f).Make());

        Action load = () => MambaLanguageModel.Load(path, device).Dispose();

        load.Should().Throw<InvalidDataException>().WithMessage(message);
        device.AllocatedBytes.Should().Be(0);
    }

    [Fact]
    public void A_list_of_another_number_of_layers_is_refused_by_name()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        GgufBytes bytes = File("jamba", F32, keyHeads: [0, 2, 0]);

        Action load = () => MambaLanguageModel.Load(_folder.Write("m.gguf", bytes.Make()), device).Dispose();

        load.Should().Throw<InvalidDataException>().WithMessage(
            "*\"jamba.attention.head_count_kv\": expected 2 integers*one for each layer; found ?0, 2, 0?.");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_saved_model_has_the_tensors_of_the_first(string name)
    {
        using CpuDevice device = TestDevice.Cpu(2);
        string path = _folder.Write("m.gguf", File(name, Q8).Make());
        using MambaLanguageModel model = MambaLanguageModel.Load(path, device);

        model.SaveGguf(_folder["again.gguf"], GgufType.Q8_0);

        using GgufFile first = GgufFile.Open(path), second = GgufFile.Open(_folder["again.gguf"]);
        second.Tensors.Keys.Should().BeEquivalentTo(first.Tensors.Keys.Select(
            tensor => name == "falcon-h1" ? tensor.Replace("ffn_norm.weight", "ffn_norm") : tensor));
        foreach ((GgufTensor before, GgufTensor after) in first.Tensors.Values.OrderBy(tensor => tensor.Name)
            .Zip(second.Tensors.Values.OrderBy(tensor => tensor.Name)))
        {
            bool isShort = before.Name.EndsWith("ssm_dt.weight", StringComparison.Ordinal); // rows are no whole blocks
            after.Type.Should().Be(isShort ? GgufType.F16 : before.Type, before.Name);
            if (isShort)
            {
                Values(second, after.Name).ShouldBeClose(Values(first, before.Name), 1e-3, after.Name);
            }
            else if (before.Name.EndsWith("ssm_a", StringComparison.Ordinal))
            {
                Values(second, after.Name).ShouldBeClose(Values(first, before.Name), 3e-7, after.Name);
            }
            else
            {
                Values(second, after.Name).ShouldHaveTheBitsOf(Values(first, before.Name), after.Name);
            }
        }

        using MambaLanguageModel loaded = MambaLanguageModel.Load(_folder["again.gguf"], device);
        loaded.Config.Layers.Should().Equal(model.Config.Layers);
    }

    public static TheoryData<string> Configs => [.. GgufModels.Hybrids.Keys];

    [Theory]
    [MemberData(nameof(Configs))]
    public void A_model_of_ours_is_loaded_again(string name)
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel model = GgufModels.Create(device, GgufModels.Hybrids[name], noise: 0.02);

        model.SaveGguf(_folder["m.gguf"]);

        using MambaLanguageModel loaded = MambaLanguageModel.Load(_folder["m.gguf"], device);
        GgufModels.Logits(loaded).ShouldBeClose(GgufModels.Logits(model), 1e-5);
    }

    [Fact]
    public void Factors_and_rotary_positions_of_Granite_are_written()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        GgufBytes bytes = File("granitehybrid", F32).Key("granitehybrid.rope.scaling.finetuned", 7, 1)
            .Key("granitehybrid.logit_scale", 3f).Key("granitehybrid.embedding_scale", 3f)
            .Key("granitehybrid.residual_scale", 0.5f).Key("granitehybrid.attention.scale", 0.125f);
        using MambaLanguageModel model = MambaLanguageModel.Load(_folder.Write("m.gguf", bytes.Make()), device);

        model.SaveGguf(_folder["again.gguf"]);

        using MambaLanguageModel loaded = MambaLanguageModel.Load(_folder["again.gguf"], device);
        loaded.Config.Should().BeEquivalentTo(model.Config);
        GgufModels.Logits(loaded, [1, 5]).ShouldBeClose(GgufModels.Logits(model, [1, 5]), 1e-6);
    }

    [Fact]
    public void An_adapter_is_merged_into_the_parts_of_its_projection()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel model =
            MambaLanguageModel.Load(_folder.Write("m.gguf", File("jamba", F32).Make()), device);
        LowRank.Adapt(model, new() { Rank = 2 }, new Random(1));
        foreach ((_, Parameter parameter) in model.Parameters.Where(
            named => named.Name.EndsWith("adapter.b", StringComparison.Ordinal)))
        {
            parameter.Value.CopyFrom(Samples.Normal(3, (int)parameter.Value.Shape.Count, 0.1f));
        }

        model.SaveGguf(_folder["again.gguf"]);

        using MambaLanguageModel loaded = MambaLanguageModel.Load(_folder["again.gguf"], device);
        GgufModels.Logits(loaded, [1, 5]).ShouldBeClose(GgufModels.Logits(model, [1, 5]), 1e-5);
    }

    public static TheoryData<string, MixerOptions[], string> Inexpressible => new()
    {
        { "window", [Attention with { Window = 3 }, Mlp], "layer 2: Window = 3" },
        { "rotary", [Attention with { RotaryDim = 4 }, Mlp], "layer 2: RotaryDim = 4" },
        { "activation", [Attention, Mlp with { Activation = Activation.Gelu }], "layer 3: Activation = Gelu" },
        { "order", [Mlp, Attention], "layers of these kinds in this order" },
        { "state", [Mamba with { LearnableInitialState = true }, Mlp], "layer 2: LearnableInitialState = True" },
        { "heads", [Attention, Mlp, Attention with { Heads = 4 }, Mlp],
            "its layers: \"jamba.attention.head_count_kv\": expected a divisor of 2 heads; found 4" },
    };

    private static MambaMixerOptions Mamba => new()
    {
        ModelDim = 8, ParameterNormEpsilon = 1e-5f, ParameterNormWeights = true,
    };

    private static AttentionMixerOptions Attention => new() { ModelDim = 8, Heads = 2 };

    private static GatedMlpOptions Mlp => new() { ModelDim = 8, HiddenDim = 12 };

    [Theory]
    [MemberData(nameof(Inexpressible))]
    public void What_GGUF_cannot_express_is_refused_by_name(string name, MixerOptions[] last, string missing)
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel model = new(
            device, new() { VocabularySize = 8, Layers = [Mamba, Mlp, .. last] }, new Random(1));

        Action save = () => model.SaveGguf(_folder[name]);

        save.Should().Throw<NotSupportedException>().WithMessage($"*GGUF cannot express {missing}.");
        System.IO.File.Exists(_folder[name]).Should().BeFalse();
    }

    [Fact]
    public void A_factor_of_one_of_two_mixers_is_refused_by_name()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        LanguageModelConfig config = GgufModels.Hybrids["falcon-h1"];
        ParallelMixerOptions parallel = (ParallelMixerOptions)config.Layers[0];
        ParallelMixerOptions scaled = new(parallel.Branches[0] with { OutScale = 2 }, parallel.Branches[1]);
        using MambaLanguageModel model = new(
            device, config with { Layers = [scaled, config.Layers[1]] }, new Random(1));

        Action save = () => model.SaveGguf(_folder["m.gguf"]);

        save.Should().Throw<NotSupportedException>().WithMessage("*GGUF cannot express layer 0: OutScale = 2.");
    }

    /// <summary>A file of random weights.</summary>
    private static GgufBytes File(string name, uint type, int[]? keyHeads = null)
    {
        GgufBytes bytes = new GgufBytes().Key("general.architecture", name)
            .Key($"{name}.block_count", 2u).Key($"{name}.embedding_length", 32u)
            .Key($"{name}.attention.layer_norm_rms_epsilon", 1e-5f).Key($"{name}.attention.head_count", 4u)
            .Key($"{name}.ssm.inner_size", 64u).Key($"{name}.ssm.state_size", 8u).Key($"{name}.ssm.conv_kernel", 4u)
            .Key($"{name}.ssm.time_step_rank", 4u).Key($"{name}.ssm.group_count", 2u)
            .Key($"{name}.expert_count", name == "jamba" ? 2u : 0u).Key($"{name}.expert_used_count", 1u);
        bytes = name == "falcon-h1"
            ? bytes.Key($"{name}.attention.head_count_kv", 2u)
            : bytes.Key($"{name}.attention.head_count_kv", 9, Integers(keyHeads ?? [0, 2]));
        bytes = name == "nemotron_h"
            ? bytes.Key($"{name}.feed_forward_length", 9, Integers([0, 0]))
            : bytes.Key($"{name}.feed_forward_length", 64u);
        Builder builder = new(bytes, type);
        builder.Matrix("token_embd.weight", 8, 32);
        for (int i = 0; i < 2; i++)
        {
            AddLayer(builder, name, i);
        }

        builder.Vector("output_norm.weight", 32);
        return bytes;
    }

    private static void AddLayer(Builder builder, string name, int i)
    {
        builder.Prefix = $"blk.{i}.";
        builder.Vector("attn_norm.weight", 32);
        if (name == "jamba" && i == 0)
        {
            builder.Mamba();
        }
        else if (i == 0 || name == "falcon-h1")
        {
            builder.Mamba2();
        }

        if (i == 1 || name == "falcon-h1")
        {
            builder.Attention();
        }

        if (name == "nemotron_h")
        {
            builder.Prefix = "";
            return;
        }

        builder.Vector(name == "falcon-h1" ? "ffn_norm" : "ffn_norm.weight", 32);
        builder.Channels(name == "jamba" && i == 1 ? 2 : 0);
        builder.Prefix = "";
    }

    private static byte[] Integers(int[] values) =>
        [.. List(5, values.Length), .. values.SelectMany(BitConverter.GetBytes)];

    private static float[] Values(GgufFile file, string name)
    {
        float[] values = new float[file.Tensors[name].Count];
        file.Read(name, values);
        return values;
    }

    /// <summary>Adds tensors of random numbers.</summary>
    private sealed class Builder(GgufBytes bytes, uint type)
    {
        private int _seed;

        public string Prefix { get; set; } = "";

        public void Vector(string name, int size) => bytes.Tensor(
            Prefix + name, [(ulong)size], [.. Samples.Normal(++_seed, size, 0.1).Select(value => 1 + value)]);

        public void Mamba()
        {
            Matrix("ssm_in.weight", 128, 32);
            Convolution(64);
            Matrix("ssm_x.weight", 20, 64);
            bytes.Tensor($"{Prefix}ssm_dt.weight", [4, 64], Samples.Normal(++_seed, 256, 0.1));
            Vector("ssm_dt.bias", 64);
            Negative("ssm_a", 8, 64);
            Vector("ssm_d", 64);
            Vector("ssm_dt_norm.weight", 4);
            Vector("ssm_b_norm.weight", 8);
            Vector("ssm_c_norm.weight", 8);
            Matrix("ssm_out.weight", 32, 64);
        }

        public void Mamba2()
        {
            Matrix("ssm_in.weight", 64 + 64 + 32 + 4, 32);
            Convolution(96);
            Vector("ssm_dt.bias", 4);
            Negative("ssm_a", 1, 4);
            Vector("ssm_d", 4);
            bytes.Tensor($"{Prefix}ssm_norm.weight", [32, 2], Samples.Normal(++_seed, 64));
            Matrix("ssm_out.weight", 32, 64);
        }

        public void Attention()
        {
            Matrix("attn_q.weight", 32, 32);
            Matrix("attn_k.weight", 16, 32);
            Matrix("attn_v.weight", 16, 32);
            Matrix("attn_output.weight", 32, 32);
        }

        public void Channels(int experts)
        {
            string suffix = experts > 0 ? "_exps" : "";
            if (experts > 0)
            {
                float[] router = Samples.Normal(++_seed, 32 * experts);
                bytes.Tensor($"{Prefix}ffn_gate_inp.weight", [32, (ulong)experts], router);
            }

            Matrix($"ffn_gate{suffix}.weight", 64, 32, experts);
            Matrix($"ffn_up{suffix}.weight", 64, 32, experts);
            Matrix($"ffn_down{suffix}.weight", 32, 64, experts);
        }

        public unsafe void Matrix(string name, int rows, int width, int stack = 0)
        {
            float[] values = Samples.Normal(++_seed, rows * width * Math.Max(stack, 1), 0.2);
            (int elements, int size) = ((GgufType)type).Block();
            byte[] data = new byte[values.Length / elements * size];
            fixed (float* source = values)
            fixed (byte* target = data)
            {
                GgufEncoder.Encode((GgufType)type, source, values.Length, target);
            }

            ulong[] sizes = [(ulong)width, (ulong)rows];
            bytes.Tensor(Prefix + name, type, stack > 0 ? [.. sizes, (ulong)stack] : sizes, data);
        }

        private void Convolution(int channels)
        {
            float[] taps = Samples.Normal(++_seed, 4 * channels, 0.3);
            bytes.Tensor($"{Prefix}ssm_conv1d.weight", [4, (ulong)channels], taps);
            Vector("ssm_conv1d.bias", channels);
        }

        private void Negative(string name, int width, int rows) => bytes.Tensor(
            Prefix + name, [(ulong)width, (ulong)rows],
            [.. Samples.Uniform(++_seed, width * rows, 0.5, 8).Select(value => -value)]);
    }
}
