using System.Text;
using Mamba.Autograd;
using Mamba.Checkpoints;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Checkpoints;
using Mamba.Models.Checkpoints.Families;
using Mamba.Operations;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Models;

/// <summary>
/// Hybrid models in the formats in which they are published: what is loaded is saved, and what is wrong is refused.
/// That they compute what the originals do, the conformance runner checks.
/// </summary>
public sealed class FamilyTests : IDisposable
{
    private const string Attention =
        """ "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6, "attention_bias": false, """;

    private const string Mamba2 =
        """
        "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 6, "mamba_n_groups": 1, "mamba_expand": 2,
        "mamba_d_conv": 4, "time_step_limit": [0.0, Infinity],
        """;

    private static readonly Dictionary<string, string> Configs = new()
    {
        ["bamba"] =
            $$"""
            {"model_type": "bamba", "vocab_size": 19, "hidden_size": 16, "num_hidden_layers": 3,
             {{Attention}} {{Mamba2}} "intermediate_size": 10, "attn_layer_indices": [1],
             "tie_word_embeddings": false, "eos_token_id": 2}
            """,
        ["falcon_h1"] =
            $$"""
            {"model_type": "falcon_h1", "vocab_size": 19, "hidden_size": 16, "num_hidden_layers": 2, {{Attention}}
             {{Mamba2}} "mamba_d_ssm": 32, "intermediate_size": 10, "mamba_rms_norm": true,
             "mamba_norm_before_gate": false, "mamba_proj_bias": true, "projectors_bias": false,
             "mlp_bias": true, "ssm_in_multiplier": 1.25,
             "ssm_multipliers": [0.5, 0.75, 1.5, 0.9, 1.1], "mlp_multipliers": [0.5, 2], "key_multiplier": 0.4,
             "embedding_multiplier": 5, "lm_head_multiplier": 0.25, "rope_theta": 1e11, "eos_token_id": [3, 4]}
            """,
        ["granitemoehybrid"] =
            $$"""
            {"model_type": "granitemoehybrid", "vocab_size": 19, "hidden_size": 16, "num_hidden_layers": 2,
             {{Attention}} {{Mamba2}} "layer_types": ["mamba", "attention"], "position_embedding_type": "nope",
             "shared_intermediate_size": 6, "num_local_experts": 3, "num_experts_per_tok": 2, "intermediate_size": 5,
             "residual_multiplier": 0.22, "embedding_multiplier": 12, "attention_multiplier": 0.25, "logits_scaling": 3}
            """,
        ["jamba"] =
            """
            {"model_type": "jamba", "vocab_size": 19, "hidden_size": 16, "num_hidden_layers": 4,
             "num_attention_heads": 4, "num_key_value_heads": 1, "mamba_d_state": 5, "mamba_dt_rank": "auto",
             "intermediate_size": 7, "attn_layer_period": 4, "attn_layer_offset": 2, "expert_layer_period": 2,
             "expert_layer_offset": 1, "num_experts": 3, "num_experts_per_tok": 2, "torch_dtype": "float32"}
            """,
        ["nemotron_h"] =
            $$"""
            {"model_type": "nemotron_h", "vocab_size": 19, "hidden_size": 16, "hybrid_override_pattern": "ME*-",
             {{Attention}} "mamba_num_heads": 4, "mamba_head_dim": 6, "n_groups": 2, "ssm_state_size": 5,
             "intermediate_size": 9, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 2, "topk_group": 1,
             "moe_intermediate_size": 5, "moe_latent_size": 8, "moe_shared_expert_intermediate_size": 6,
             "routed_scaling_factor": 1.8, "time_step_limit": [0.0, {"__float__": "Infinity"}]}
            """,
        ["plamo2"] =
            """
            {"model_type": "plamo2", "vocab_size": 19, "hidden_size": 16, "num_hidden_layers": 4,
             "num_attention_heads": 3, "num_key_value_heads": 1, "hidden_size_per_head": 6, "mamba_num_heads": 2,
             "mamba_d_state": 5, "mamba_step": 2, "attention_window_size": 3, "full_attention_idx": [3],
             "intermediate_size": 7, "n_expert": null}
            """,
        ["zamba2"] =
            """
            {"model_type": "zamba2", "vocab_size": 19, "hidden_size": 16, "hidden_act": "gelu",
             "layers_block_type": ["mamba", "hybrid", "hybrid", "mamba", "hybrid"], "num_mem_blocks": 2,
             "num_attention_heads": 4, "attention_head_dim": 8, "num_key_value_heads": 4, "use_mem_rope": true,
             "use_shared_attention_adapter": true, "adapter_rank": 3, "intermediate_size": 9, "n_mamba_heads": 4,
             "mamba_headdim": 8, "mamba_d_state": 5, "mamba_ngroups": 2, "mamba_expand": 2, "time_step_limit": null}
            """,
    };

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Names => [.. Configs.Keys];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Every_family_is_tested() => Configs.Keys.Should().BeEquivalentTo(Family.Types);

    [Theory]
    [MemberData(nameof(Names))]
    public void What_is_loaded_is_saved(string name)
    {
        using Device device = TestDevice.Open(2);
        string first = Publish(name), second = _folder["again"];
        using MambaLanguageModel loaded = MambaLanguageModel.Load(first, device);

        loaded.Save(second);

        using MambaLanguageModel again = MambaLanguageModel.Load(second, device);
        again.Config.Should().BeEquivalentTo(loaded.Config);
        Logits(again).ShouldHaveTheBitsOf(Logits(loaded), name);
        using ITensorSource before = TensorSource.Open(first), after = TensorSource.Open(second);
        after.Tensors.Keys.Should().BeEquivalentTo(before.Tensors.Keys);
        string[] offsets =
        [
            .. Tensors(ConfigJson.Load(Path.Combine(first, "config.json"))).Where(part => part.Offset != 0)
                .Select(part => part.Tensor),
        ];
        foreach ((string tensor, TensorInfo info) in before.Tensors)
        {
            if (offsets.Contains(tensor))
            {
                Values(after, tensor).ShouldBeClose(Values(before, tensor), 1e-6, tensor); // rounded as a sum
            }
            else
            {
                Values(after, tensor).ShouldHaveTheBitsOf(Values(before, tensor), tensor);
            }

            after.Tensors[tensor].Shape.ToArray().Should().Equal(info.Shape.ToArray(), tensor);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_saved_configuration_keeps_every_key_and_names_the_precision(string name)
    {
        using Device device = TestDevice.Open(2);
        string first = Publish(name), second = _folder["narrow"];
        using MambaLanguageModel loaded = MambaLanguageModel.Load(first, device);

        loaded.Save(second, ElementType.BF16);

        ConfigJson before = ConfigJson.Load(Path.Combine(first, "config.json"));
        ConfigJson after = ConfigJson.Load(Path.Combine(second, "config.json"));
        after.Keys.Should().Contain(before.Keys);
        before.RawValues.Where(pair => pair.Key is not ("torch_dtype" or "time_step_limit" or "eos_token_id"))
            .Should().BeSubsetOf(after.RawValues);
        File.ReadAllText(Path.Combine(second, "config.json")).Should().NotContain("\"Infinity\"");
        using ITensorSource wide = TensorSource.Open(first), narrow = TensorSource.Open(second);
        foreach ((string tensor, TensorInfo info) in narrow.Tensors)
        {
            bool isWide = tensor.EndsWith("correction_bias", StringComparison.Ordinal);
            info.Type.Should().Be(isWide ? ElementType.F32 : ElementType.BF16, tensor);
            Values(narrow, tensor).ShouldBeClose(Values(wide, tensor), 1.0 / 256, tensor);
        }

        using MambaLanguageModel again = MambaLanguageModel.Load(second, device);
        again.Config.Should().BeEquivalentTo(loaded.Config);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_model_with_adapters_is_saved_with_them_merged(string name)
    {
        using Device device = TestDevice.Open(2);
        string folder = _folder["merged"];
        using MambaLanguageModel model = MambaLanguageModel.Load(Publish(name), device);
        LowRank.Adapt(model, new() { Rank = 2 }, new Random(1));
        foreach ((string parameter, Parameter weights) in model.Parameters.Where(
            named => named.Name.EndsWith("adapter.b", StringComparison.Ordinal)))
        {
            weights.Value.CopyFrom(Samples.Normal(parameter.Length, (int)weights.Value.Shape.Count, 0.1));
        }

        model.Save(folder);

        using MambaLanguageModel merged = MambaLanguageModel.Load(folder, device);
        Logits(merged).ShouldBeClose(Logits(model), 1e-5, name);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Steps_give_what_the_whole_gives_and_a_text_in_a_pool_what_it_gives_alone(string name)
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = MambaLanguageModel.Load(Publish(name), device);
        int[] ids = Ids(9);
        int vocabulary = model.Config.PaddedVocabularySize;
        float[] whole = Logits(model, ids)[^vocabulary..];
        float[] alone = new float[vocabulary], pooled = new float[2 * vocabulary];
        using ModelState one = model.CreateState(), pool = model.CreateState(3);

        model.Prefill(ids.AsSpan(0, 4), one, alone);
        pool.CopySlot(2, one, 0);
        foreach (int id in ids[4..])
        {
            model.Step([id], one, alone);
            model.Step([id, 3], pool, pooled, StateSlots.Of(2, 0));
        }

        alone.ShouldBeClose(whole, 1e-5, name);
        pooled[..vocabulary].ShouldHaveTheBitsOf(alone, name);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Matrices_are_stored_narrow_as_they_are_loaded(string name)
    {
        using Device device = TestDevice.Open(2);
        string folder = Publish(name);
        using MambaLanguageModel wide = MambaLanguageModel.Load(folder, device);
        wide.Narrow(Precision.BFloat16);

        using MambaLanguageModel narrow = MambaLanguageModel.Load(folder, device, precision: Precision.BFloat16);

        Logits(narrow).ShouldHaveTheBitsOf(Logits(wide), name);
        narrow.Parameters.Count(named => named.Parameter.Value.Precision == Precision.BFloat16)
            .Should().BeGreaterThan(3);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_tensor_that_is_missing_unknown_or_of_another_shape_is_refused_by_name(string name)
    {
        using Device device = TestDevice.Open(2);
        ConfigJson json = ConfigJson.Parse(Encoding.UTF8.GetBytes(Configs[name]), name);
        string[] tensors = [.. Tensors(json).Select(part => part.Tensor).Distinct()];
        foreach (string tensor in tensors.Where((_, i) => i % 5 == 0))
        {
            string without = Publish(name, shape: (other, shape) => other == tensor ? null : shape);
            FluentActions.Invoking(() => MambaLanguageModel.Load(without, device))
                .Should().Throw<InvalidDataException>().WithMessage($"*\"{tensor}\" is missing*");
            string wider = Publish(
                name, shape: (other, shape) => other == tensor ? [.. shape[..^1], shape[^1] + 1] : shape);
            FluentActions.Invoking(() => MambaLanguageModel.Load(wider, device))
                .Should().Throw<InvalidDataException>().WithMessage($"*{tensor}*");
        }

        string more = Publish(name, more: "model.layers.0.surplus.weight");
        FluentActions.Invoking(() => MambaLanguageModel.Load(more, device))
            .Should().Throw<InvalidDataException>().WithMessage("*without a tensor \"model.layers.0.surplus.weight\"*");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Recomputed_activations_give_the_same_gradients(string name)
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = MambaLanguageModel.Load(Publish(name), device);

        List<float[]> kept = Gradients(), recomputed;
        model.RecomputeActivations = true;
        recomputed = Gradients();

        kept.Count.Should().BeGreaterThan(10);
        for (int i = 0; i < kept.Count; i++)
        {
            recomputed[i].ShouldHaveTheBitsOf(kept[i], name);
        }

        List<float[]> Gradients()
        {
            model.ClearGradients();
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            tape.Backward(model.Loss(Ids(7)));
            return
            [
                .. model.Parameters.Where(named => named.Parameter.Gradient.Exists)
                    .Select(named => named.Parameter.Gradient.ToArray()),
            ];
        }
    }

    [Fact]
    public void Layers_of_a_model_share_a_block_that_is_counted_once()
    {
        using Device device = TestDevice.Open(2);
        using MambaLanguageModel model = MambaLanguageModel.Load(Publish("zamba2"), device);
        SharedInputMixer[] mixers = [.. model.Blocks.Select(block => block.Mixer).OfType<SharedInputMixer>()];

        mixers[2].Shared.Should().BeSameAs(mixers[0].Shared);
        mixers[1].Shared.Should().NotBeSameAs(mixers[0].Shared);
        model.Parameters.Count(named => named.Name.EndsWith("attention.out_projection.weight")).Should().Be(2);
        model.Invoking(m => m.Blocks[1].Forward(m.Embed(Ids(3))))
            .Should().Throw<ArgumentException>().WithMessage("*reads the embeddings*found none*");
    }

    [Fact]
    public void Layers_that_share_a_block_agree_about_it()
    {
        using Device device = TestDevice.Open(1);
        SharedInputMixerOptions options = new()
        {
            ModelDim = 8, Mixer = new MambaMixerOptions { ModelDim = 8 },
            Attention = new() { ModelDim = 8, InputDim = 16, Heads = 2 }, Mlp = new() { ModelDim = 8, HiddenDim = 4 },
        };
        LanguageModelConfig config = new()
        {
            VocabularySize = 9, Layers = [options, options with { Mlp = options.Mlp with { HiddenDim = 5 } }],
        };

        FluentActions.Invoking(() => new MambaLanguageModel(device, config, new Random(1)))
            .Should().Throw<ArgumentException>()
            .WithMessage("Layers that share block 0 have one*HiddenDim = 4*HiddenDim = 5*");
    }

    [Theory]
    [InlineData("bamba", "hidden_act", "\"gelu\"", "*hidden_act is \"gelu\"; supported is silu*")]
    [InlineData("bamba", "rope_scaling", "{\"type\": \"yarn\"}", "*rope_scaling is set*")]
    [InlineData("bamba", "rope_parameters", "{\"rope_type\": \"yarn\"}", "*\"yarn\"; supported is default*")]
    [InlineData("bamba", "sliding_window", "8", "*sliding_window is set*")]
    [InlineData("falcon_h1", "attn_layer_indices", "[0]", "*attn_layer_indices is set*")]
    [InlineData("granitemoehybrid", "position_embedding_type", "\"alibi\"", "*\"alibi\"; supported are rope and nope*")]
    [InlineData("granitemoehybrid", "layer_types", "[\"mamba\", \"retnet\"]", "*layer_types has \"retnet\"*")]
    [InlineData("nemotron_h", "mlp_hidden_act", "\"gelu\"", "*mlp_hidden_act is \"gelu\"; supported is relu2*")]
    [InlineData("nemotron_h", "hybrid_override_pattern", "\"M?*-\"", "*of the kind \"?\"*")]
    [InlineData("nemotron_h", "n_shared_experts", "2", "*n_shared_experts is 2*")]
    [InlineData("plamo2", "n_expert", "4", "*n_expert is set*")]
    [InlineData("plamo2", "use_predefined_initial_state", "true", "*use_predefined_initial_state false*")]
    [InlineData("zamba2", "hidden_act", "\"silu\"", "*hidden_act is \"silu\"; supported is gelu*")]
    [InlineData("zamba2", "add_bias_linear", "true", "*add_bias_linear is true*")]
    [InlineData("zamba2", "layers_block_type", "[\"mamba\", \"moe\"]", "*layers_block_type has \"moe\"*")]
    public void An_option_that_is_not_supported_is_refused_by_name(
        string name, string key, string value, string message)
    {
        using Device device = TestDevice.Open(1);
        string folder = Publish(name);
        Change(folder, key, value);

        FluentActions.Invoking(() => MambaLanguageModel.Load(folder, device))
            .Should().Throw<NotSupportedException>().WithMessage(message);
    }

    [Theory]
    [InlineData("bamba", "mamba_d_head", "7", "*mamba_n_heads*4 times 7*")]
    [InlineData("bamba", "head_dim", "null", null)]
    [InlineData("bamba", "attn_layer_indices", "[3]", "*attn_layer_indices*0 to 2*")]
    [InlineData("falcon_h1", "ssm_multipliers", "[1, 2]", "*ssm_multipliers*expected 5 numbers; found 2*")]
    [InlineData("granitemoehybrid", "layer_types", "[\"mamba\"]", "*expected a \"layer_types\" for each of 2*found 1*")]
    [InlineData("granitemoehybrid", "num_experts_per_tok", "4", "*ExpertsPerToken must be from 1 to Experts, 3*")]
    [InlineData("granitemoehybrid", "logits_scaling", "0", "*logits_scaling*positive*")]
    [InlineData("jamba", "num_key_value_heads", "3", "*KeyValueHeads must*")]
    [InlineData("jamba", "num_attention_heads", "3", "*expected \"num_attention_heads\" to divide \"hidden_size\"*")]
    [InlineData("nemotron_h", "num_hidden_layers", "5", "*kind for each of 5 layers; found 4*")]
    [InlineData("plamo2", "num_key_value_heads", "2", "*num_key_value_heads*from 1 to 1; found 2*")]
    [InlineData("zamba2", "mamba_headdim", "7", "*n_mamba_heads*4 times 7*")]
    [InlineData("nemotron_h", "n_group", "3", "*Groups must be positive and divide Experts*")]
    public void A_value_that_makes_no_sense_is_refused_by_name(string name, string key, string value, string? message)
    {
        using Device device = TestDevice.Open(1);
        string folder = Publish(name);
        Change(folder, key, value);

        Action load = () => MambaLanguageModel.Load(folder, device).Dispose();

        if (message is null)
        {
            load.Should().Throw<InvalidDataException>(); // other shapes than the file's
        }
        else
        {
            load.Should().Throw<InvalidDataException>().WithMessage(message);
        }
    }

    [Fact]
    public void The_norm_of_a_family_is_not_a_choice()
    {
        using Device device = TestDevice.Open(1);
        string folder = Publish("bamba");

        FluentActions.Invoking(() => MambaLanguageModel.Load(folder, device, ungroupedNorm: true))
            .Should().Throw<NotSupportedException>().WithMessage("*bamba*ungroupedNorm null; found True*");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_learned_initial_state_has_no_place_in_the_format(string name)
    {
        using Device device = TestDevice.Open(1);
        using MambaLanguageModel model = MambaLanguageModel.Load(Publish(name), device);
        model.Modules.Select(named => named.Module).OfType<RecurrentMixer>().First().LearnInitialState();

        model.Invoking(m => m.Save(_folder["learned"]))
            .Should().Throw<NotSupportedException>().WithMessage($"*{name} have no learned initial states*");
        Directory.Exists(_folder["learned"]).Should().BeFalse();
    }

    private static IEnumerable<TensorPart> Tensors(ConfigJson json)
    {
        using NoTensors none = new();
        Family family = Family.Of(json)!;
        return family.Map(family.Read(json, none)).Parts;
    }

    private static int[] Ids(int count) => [.. Enumerable.Range(0, count).Select(i => (i * 7) % 19)];

    private static float[] Logits(MambaLanguageModel model) => Logits(model, Ids(8));

    private static float[] Logits(MambaLanguageModel model, int[] ids)
    {
        using DeviceScope scope = model.Device.Scope();
        return model.Forward(ids).ToArray();
    }

    private static float[] Values(ITensorSource source, string tensor)
    {
        float[] values = new float[source.Tensors[tensor].Count];
        source.Read(tensor, values);
        return values;
    }

    private static void Change(string folder, string key, string value)
    {
        string path = Path.Combine(folder, "config.json");
        ConfigJsonWriter writer = new();
        foreach ((string other, string old) in ConfigJson.Load(path).RawValues.Where(pair => pair.Key != key))
        {
            writer.AddRaw(other, old);
        }

        writer.AddRaw(key, value);
        writer.Save(path);
    }

    /// <summary>Writes a checkpoint of random weights.</summary>
    private string Publish(string name, Func<string, int[], int[]?>? shape = null, string? more = null)
    {
        string folder = _folder[$"{name} {Guid.NewGuid()}"];
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), Configs[name]);
        ConfigJson json = ConfigJson.Parse(Encoding.UTF8.GetBytes(Configs[name]), name);
        SafetensorsWriter writer = new();
        foreach (TensorPart part in Tensors(json).DistinctBy(part => part.Tensor))
        {
            if ((shape is null ? part.Shape : shape(part.Tensor, part.Shape)) is { } sizes)
            {
                Add(part.Tensor, sizes, part.Offset);
            }
        }

        if (more is not null)
        {
            Add(more, [3], 0);
        }

        writer.Save(Path.Combine(folder, "model.safetensors"));
        return folder;

        void Add(string tensor, int[] sizes, float offset)
        {
            float[] values = Samples.Normal(
                tensor.Sum(letter => letter), sizes.Aggregate(1, (product, size) => product * size), 0.2);
            if (tensor.Contains("norm", StringComparison.Ordinal) && offset == 0)
            {
                values = Array.ConvertAll(values, value => value + 1);
            }

            writer.Add(
                tensor,
                ElementType.F32,
                Array.ConvertAll(sizes, size => (long)size),
                (start, target) => values.AsSpan((int)start, target.Length).CopyTo(target));
        }
    }
}
