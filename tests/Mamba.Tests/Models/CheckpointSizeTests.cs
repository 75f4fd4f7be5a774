using System.Diagnostics;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Tests.Reference;

namespace Mamba.Tests.Models;

/// <summary>Configurations that lie about sizes are refused before memory of that size is taken.</summary>
public sealed class CheckpointSizeTests : IDisposable
{
    private readonly CheckpointFolder _folder = new();

    /// <summary>Formats and their keys that hold sizes; those that may be zero begin with a question mark.</summary>
    private static readonly (string Format, string[] Keys)[] Sizes =
    [
        (
            "mamba",
            [
                "num_hidden_layers", "hidden_size", "intermediate_size", "state_size", "conv_kernel", "time_step_rank",
                "vocab_size",
            ]),
        (
            "mamba2",
            [
                "num_hidden_layers", "hidden_size", "num_heads", "head_dim", "state_size", "n_groups", "conv_kernel",
                "vocab_size",
            ]),
        (
            "original",
            [
                "n_layer", "d_model", "?d_intermediate", "vocab_size", "pad_vocab_size_multiple", "d_ssm", "d_state",
                "headdim", "ngroups", "num_heads", "num_heads_kv", "head_dim", "?rotary_emb_dim", "expand",
            ]),
        ("original mamba1", ["dt_rank", "d_conv", "expand"]),
    ];

    public static TheoryData<string, string, string> HostileSizes
    {
        get
        {
            TheoryData<string, string, string> cases = [];
            foreach ((string format, string[] keys) in Sizes)
            {
                foreach (string key in keys)
                {
                    string[] values =
                    [
                        .. key[0] == '?' ? [] : (string[])["0"], "-1", "2000000000", "2147483647", "1073741828",
                        "1e300", "1e-300", "NaN", "-Infinity",
                    ];
                    cases.AddRange([.. values.Select(value => (format, key.TrimStart('?'), value))]);
                }
            }

            return cases;
        }
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_could_not_be_loaded_again_is_not_saved()
    {
        MambaMixerOptions layer = new() { ModelDim = 1, StateDim = 1 };
        LanguageModelConfig config = CheckpointFolder.Of(layer);
        (LanguageModelConfig Config, string Key)[] cases =
        [
            (config with { VocabularyMultiple = 1 << 21 }, "pad_vocab_size_multiple"),
            (config with { Layers = [.. Enumerable.Repeat(layer, 5000)] }, "num_hidden_layers"),
            (config with { VocabularyMultiple = 1 << 21, MlpDim = 128 }, "pad_vocab_size_multiple"),
            (config with { Layers = [.. Enumerable.Repeat(layer, 5000)], MlpDim = 128 }, "n_layer"),
        ];
        foreach ((LanguageModelConfig refused, string key) in cases)
        {
            using MambaLanguageModel model = new(_folder.Device, refused, random: null);

            model.Invoking(m => m.Save(_folder["model"])).Should().Throw<NotSupportedException>()
                .WithMessage($"The model cannot be saved*config.json: \"{key}\": expected an integer from 1 to *");
            Directory.Exists(_folder["model"]).Should().BeFalse();
        }
    }

    [Theory]
    [InlineData(float.MaxValue)]
    [InlineData(float.Epsilon)]
    [InlineData(1.17549435e-38f)]
    [InlineData(1e-6f)]
    public void Every_epsilon_is_loaded_as_it_was_saved(float epsilon)
    {
        _folder.Save(CheckpointFolder.Formats["falcon"] with
        {
            NormEpsilon = epsilon,
            Layers = [new MambaMixerOptions { ModelDim = 8, StateDim = 4, ParameterNormEpsilon = epsilon }],
        });

        LanguageModelConfig loaded = _folder.LoadedConfig();

        loaded.NormEpsilon.Should().Be(epsilon);
        loaded.Layers.Should().Equal(
            new MambaMixerOptions { ModelDim = 8, StateDim = 4, ParameterNormEpsilon = epsilon });
    }

    [Theory]
    [MemberData(nameof(HostileSizes))]
    public void A_size_out_of_range_is_refused_by_key_in_little_time_and_memory(string format, string key, string value)
    {
        _folder.Save(format);
        _folder.Set(key, value);

        ShouldRefuseCheaply<InvalidDataException>($"*config.json: *{key}*");
    }

    [Theory]
    [InlineData("mamba2", "num_heads", "1048576", "head_dim", "4096", "num_heads times head_dim", "4294967296")]
    [InlineData("mamba2", "n_groups", "1048576", "state_size", "4096", "n_groups times state_size", "4294967296")]
    [InlineData("original", "ngroups", "65536", "d_state", "65536", "ssm_cfg.ngroups times d_state", "4294967296")]
    [InlineData("original", "num_heads", "65536", "head_dim", "65536", "attn_cfg.num_heads times *", "4294967296")]
    [InlineData("original", "num_heads_kv", "65536", "head_dim", "65536", "*.num_heads_kv times *", "4294967296")]
    [InlineData("original", "d_model", "1048576", "expand", "4096", "ssm_cfg.expand times *", "4294967296")]
    [InlineData("original mamba1", "d_model", "8", "expand", "1e300", "ssm_cfg.expand times *", "8E+300")]
    [InlineData("original mamba1", "d_model", "8", "expand", "0.1", "ssm_cfg.expand times *", "0.8")]
    public void A_product_of_sizes_out_of_range_is_refused(
        string format, string first, string one, string second, string other, string product, string found)
    {
        _folder.Save(format);
        _folder.Set(first, one);
        _folder.Set(second, other);

        ShouldRefuseCheaply<InvalidDataException>($"*json: expected {product} from 1 to 1048576; found {found}*");
    }

    [Theory]
    [InlineData("mamba", "num_hidden_layers", "4096")]
    [InlineData("mamba", "hidden_size", "1048576")]
    [InlineData("mamba", "vocab_size", "16777216")]
    [InlineData("mamba2", "head_dim", "131072")]
    [InlineData("original", "n_layer", "4096")]
    [InlineData("original", "d_model", "524288")]
    [InlineData("original", "d_intermediate", "1048576")]
    public void A_size_that_the_tensors_do_not_have_is_refused_before_memory_of_that_size_is_taken(
        string format, string key, string value)
    {
        _folder.Save(format);
        _folder.Set(key, value);

        ShouldRefuseCheaply<InvalidDataException>("*model.safetensors: *");
    }

    [Theory]
    [InlineData("mamba", "layer_norm_epsilon")]
    [InlineData("falcon", "mixer_rms_eps")]
    [InlineData("mamba2", "layer_norm_epsilon")]
    [InlineData("original", "rotary_emb_base")]
    public void A_number_that_is_none_is_refused(string format, string key)
    {
        foreach (string value in (string[])["NaN", "0", "-1e-5", "Infinity", "1e999", "\"x\"", "[1]", "true"])
        {
            _folder.Save(format);
            _folder.Set(key, value);

            ShouldRefuseCheaply<InvalidDataException>($"*config.json: \"*{key}\": expected a*number*");
        }
    }

    [Theory]
    [InlineData("mamba2", "time_step_limit")]
    [InlineData("original", "dt_limit")]
    public void Limits_of_the_time_step_that_are_none_are_refused(string format, string key)
    {
        string[] values = ["[NaN, NaN]", "[0, NaN]", "[Infinity, Infinity]", "[0.5, 0.1]", "[-Infinity, 1]"];
        foreach (string value in values)
        {
            _folder.Save(format);
            _folder.Set(key, value);

            ShouldRefuseCheaply<InvalidDataException>($"*config.json: \"*{key}\": expected two numbers*");
        }
    }

    [Theory]
    [InlineData("mamba", "intermediate_size")]
    [InlineData("mamba", "time_step_rank")]
    [InlineData("original", "d_ssm")]
    [InlineData("original", "num_heads_kv")]
    public void A_word_in_place_of_a_size_is_refused(string format, string key)
    {
        _folder.Save(format);
        _folder.Set(key, "\"many\"");

        _folder.ShouldRefuse<InvalidDataException>($"*config.json: \"*{key}\": expected an integer*found \"many\".");
    }

    [Fact]
    public void A_long_list_of_attention_layers_takes_no_time()
    {
        _folder.Save("original");
        _folder.Set("n_layer", "4096");
        _folder.Set("attn_layer_idx", $"[{string.Join(", ", Enumerable.Repeat(0, 100_000))}]");

        ShouldRefuseCheaply<InvalidDataException>("*model.safetensors: *");
    }

    [Theory]
    [InlineData("[2]", "*attn_layer_idx*from 0 to 1; found 2*")]
    [InlineData("[-1]", "*attn_layer_idx*from 0 to 1; found -1*")]
    [InlineData("[\"1\"]", "*attn_layer_idx*from 0 to 1; found \"1\"*")]
    public void Layers_of_attention_that_are_none_are_refused(string layers, string message)
    {
        _folder.Save("original");
        _folder.Set("attn_layer_idx", layers);

        _folder.ShouldRefuse<InvalidDataException>(message);
    }

    [Fact]
    public void Heads_that_do_not_divide_the_width_are_refused_where_theirs_is_not_given()
    {
        _folder.Save("original");
        _folder.Set("num_heads", "3");
        _folder.Set("head_dim", "null");

        _folder.ShouldRefuse<InvalidDataException>("*attn_cfg.head_dim*divide d_model = 8; found 3*");
    }

    [Theory]
    [InlineData("mamba2")]
    [InlineData("original")]
    [InlineData("original mamba1")]
    public void A_load_that_runs_out_of_memory_anywhere_leaves_none_on_the_device(string format)
    {
        _folder.Save(format);
        using ReferenceDevice device = new();
        int failures = 0;

        for (bool loads = false; !loads; failures++)
        {
            device.TrimPool();
            device.AllocationsLeft = failures;
            Exception? failure = Record.Exception(() => MambaLanguageModel.Load(_folder.Path, device).Dispose());
            device.TrimPool();
            loads = failure is null;
            failure?.Should().BeOfType<InsufficientMemoryException>();
            device.AllocatedBytes.Should().Be(0);
        }

        failures.Should().BeGreaterThan(20, "there are as many weights");
    }

    /// <summary>Asserts a refusal within bounds on a device that takes memory at once, on the managed heap.</summary>
    private void ShouldRefuseCheaply<TException>(string message)
        where TException : Exception
    {
        using ReferenceDevice device = new();
        Stopwatch watch = Stopwatch.StartNew();
        long before = GC.GetAllocatedBytesForCurrentThread();

        Action load = () => MambaLanguageModel.Load(_folder.Path, device).Dispose();

        load.Should().Throw<TException>().WithMessage(message);
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(32 << 20);
        watch.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(2));
        device.AllocatedBytes.Should().Be(0);
    }
}
