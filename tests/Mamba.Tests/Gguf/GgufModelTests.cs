using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Gguf;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Gguf;

/// <summary>Models that are saved as GGUF and loaded again.</summary>
public sealed class GgufModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new(inMemory: true);

    public static TheoryData<string> Names => [.. GgufModels.Configs.Keys];

    public static TheoryData<string, GgufType> NamesAndTypes
    {
        get
        {
            TheoryData<string, GgufType> all = [];
            foreach (string name in GgufModels.Configs.Keys)
            {
                foreach (GgufType type in GgufBlockTests.Written.Select(row => row.Data))
                {
                    all.Add(name, type);
                }
            }

            return all;
        }
    }

    private string File => _folder["model.gguf"];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void A_saved_model_computes_the_same(string name)
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = GgufModels.Create(device, GgufModels.Configs[name]);
        model.SaveGguf(File);

        using MambaLanguageModel loaded = MambaLanguageModel.Load(File, device);

        // A differs in its last bits, because the file has A and the model log(-A).
        GgufModels.Logits(loaded).ShouldBeClose(GgufModels.Logits(model), TestDevice.IsCpu ? 1e-6 : 1e-5);
        loaded.Config.Layers.Should().Equal(model.Config.Layers);
        loaded.Config.TieEmbeddings.Should().Be(model.Config.TieEmbeddings);
        loaded.Config.NormEpsilon.Should().Be(model.Config.NormEpsilon);
        loaded.GgufTokenizer.Should().BeNull();
    }

    [Theory]
    [MemberData(nameof(NamesAndTypes))]
    public void A_loaded_file_is_saved_again_to_the_bit(string name, GgufType type)
    {
        using CpuDevice device = TestDevice.Cpu(2);
        using MambaLanguageModel model = GgufModels.Create(device, GgufModels.Configs[name]);
        model.SaveGguf(File, type, GgufModels.Tokenizer(11));
        using MambaLanguageModel loaded = MambaLanguageModel.Load(File, device);

        loaded.SaveGguf(_folder["again.gguf"], type);

        using GgufFile first = GgufFile.Open(File), second = GgufFile.Open(_folder["again.gguf"]);
        second.Keys.Names.Should().Equal(first.Keys.Names);
        second.Keys.Names.Select(second.Keys.Describe).Should().Equal(first.Keys.Names.Select(first.Keys.Describe));
        second.Tensors.Keys.Should().Equal(first.Tensors.Keys);
        foreach (GgufTensor tensor in first.Tensors.Values)
        {
            GgufTensor again = second.Tensors[tensor.Name];
            (again.Type, again.ToString()).Should().Be((tensor.Type, tensor.ToString()));
            if (tensor.Name.EndsWith("ssm_a"))
            {
                Values(second, again).ShouldBeClose(Values(first, tensor), 1e-6, tensor.Name);
            }
            else if (tensor.Type is not (GgufType.Q5_0 or GgufType.Q5_1 or GgufType.Q4_1)) // which are widened
            {
                Bytes(second, again).Should().Equal(Bytes(first, tensor), tensor.Name);
            }
        }
    }

    [Theory]
    [MemberData(nameof(NamesAndTypes))]
    public void Blocks_are_kept_and_compute_what_they_stand_for(string name, GgufType type)
    {
        using CpuDevice device = TestDevice.Cpu(2);
        using MambaLanguageModel model = GgufModels.Create(device, GgufModels.Configs[name]);
        model.SaveGguf(File, type);

        using MambaLanguageModel kept = MambaLanguageModel.Load(File, device);
        using MambaLanguageModel wide = MambaLanguageModel.Load(File, device, precision: Precision.Float32);

        using GgufFile file = GgufFile.Open(File);
        GgufType stored = file.Tensors["token_embd.weight"].Type;
        kept.Embedding.Weight.Value.Precision.Should().Be(GgufRows.PrecisionOf(stored) ?? Precision.Float32);
        wide.Embedding.Weight.Value.Precision.Should().Be(Precision.Float32);
        kept.Embedding.Weight.Value.ToArray().ShouldHaveTheBitsOf(Values(file, file.Tensors["token_embd.weight"]));
        GgufModels.Logits(kept).ShouldHaveTheBitsOf(GgufModels.Logits(wide));
    }

    [Fact]
    public void Another_precision_is_taken_if_it_is_asked_for()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel model = GgufModels.Create(device, GgufModels.Configs["mamba2"]);
        model.SaveGguf(File, GgufType.Q6_K);

        using MambaLanguageModel loaded = MambaLanguageModel.Load(File, device, precision: Precision.Int8);

        loaded.Embedding.Weight.Value.Precision.Should().Be(Precision.Int8);
        loaded.Embedding.Weight.IsTrainable.Should().BeFalse();
    }

    [Fact]
    public void Narrow_types_take_their_memory_and_no_more()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        LanguageModelConfig config = GgufModels.Configs["mamba2"] with { VocabularySize = 4000 };
        using (MambaLanguageModel model = GgufModels.Create(device, config))
        {
            model.SaveGguf(File, GgufType.Q4_K);
        }

        long before = device.AllocatedBytes;
        using MambaLanguageModel loaded = MambaLanguageModel.Load(File, device);
        device.TrimPool();

        (device.AllocatedBytes - before).Should().BeLessThan(new FileInfo(File).Length);
    }

    [Fact]
    public void Llama_rules_are_obeyed()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel model = GgufModels.Create(device, GgufModels.Configs["mamba2, untied, two groups"]);
        model.SaveGguf(File, GgufType.Q4_K, GgufModels.Tokenizer(11));

        using GgufFile file = GgufFile.Open(File);

        file.Keys.Text("general.architecture").Should().Be("mamba2");
        file.Keys.Integer("mamba2.ssm.time_step_rank").Should().Be(6);
        file.Keys.Integer("mamba2.ssm.group_count").Should().Be(2);
        file.Tensors["blk.0.ssm_a"].ToString().Should().Be("F32 [6, 1]");
        file.Tensors["blk.0.ssm_d"].ToString().Should().Be("F32 [6, 1]");
        file.Tensors["blk.0.ssm_norm.weight"].ToString().Should().Be("F32 [2, 48]");
        file.Tensors["blk.0.ssm_conv1d.weight"].ToString().Should().Be("F32 [128, 4]");
        file.Tensors["blk.0.ssm_in.weight"].Type.Should().Be(GgufType.Q5_0); // rows of 32
        file.Tensors["blk.0.ssm_out.weight"].ToString().Should().Be("Q5_0 [32, 96]");
        float[] a = Values(file, file.Tensors["blk.0.ssm_a"]);
        float[] logs = ((Mamba2Mixer)model.Blocks[0].Mixer).ALog.Value.ToArray();
        logs.Select(log => (float)-Math.Exp(log)).Should().Equal(a);
    }

    [Fact]
    public void A_tokenizer_goes_through_and_is_filled_up_to_the_rows()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel model = GgufModels.Create(device, GgufModels.Configs["mamba2"]);
        GgufTokenizer tokenizer = GgufModels.Tokenizer(11) with { Scores = [.. Enumerable.Repeat(0.5f, 11)] };
        model.SaveGguf(File, tokenizer: tokenizer);

        using MambaLanguageModel loaded = MambaLanguageModel.Load(File, device);

        GgufTokenizer found = loaded.GgufTokenizer!;
        found.Tokens.Should().Equal([.. tokenizer.Tokens, "[PAD11]", "[PAD12]", "[PAD13]", "[PAD14]", "[PAD15]"]);
        found.TokenTypes.Should().Equal([.. tokenizer.TokenTypes!, 5, 5, 5, 5, 5]);
        found.Scores.Should().HaveCount(16);
        found.Merges.Should().Equal(tokenizer.Merges);
        (found with { Tokens = [], TokenTypes = null, Scores = null, Merges = null }).Should().Be(
            tokenizer with { Tokens = [], TokenTypes = null, Scores = null, Merges = null });
        (loaded.Config.VocabularySize, loaded.Config.VocabularyMultiple).Should().Be((11, 16));
        loaded.Config.EndOfText.Should().Equal(3, 4);
    }

    [Fact]
    public void Adapters_are_merged_into_the_file()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel model = GgufModels.Create(device, GgufModels.Configs["mamba"]);
        LowRank.Adapt(model, new() { Rank = 2 }, new Random(1));
        foreach ((string name, Parameter parameter) in model.Parameters.Where(named => named.Name.Contains("adapter")))
        {
            parameter.Value.CopyFrom(Samples.Normal(3, (int)parameter.Value.Shape.Count, 0.1));
        }

        model.SaveGguf(File);

        using MambaLanguageModel loaded = MambaLanguageModel.Load(File, device);
        GgufModels.Logits(loaded).ShouldBeClose(GgufModels.Logits(model), 1e-5);
    }

    [Fact]
    public void What_GGUF_cannot_express_is_refused_by_name_and_nothing_is_written()
    {
        MambaMixerOptions mamba = new() { ModelDim = 32 };
        Mamba2MixerOptions mamba2 = new() { ModelDim = 32, HeadDim = 16 };
        ShouldRefuse(GgufModels.Of(mamba with { Bias = true }), "MambaMixerOptions.Bias = True");
        ShouldRefuse(GgufModels.Of(mamba with { ConvBias = false }), "MambaMixerOptions.ConvBias = False");
        ShouldRefuse(GgufModels.Of(mamba with { InnerDim = 48 }), "MambaMixerOptions.InnerDim = 48 where*twice 32");
        ShouldRefuse(
            GgufModels.Of(mamba with { ParameterNormEpsilon = 1e-6f }),
            "*ParameterNormEpsilon = 1E-06*model's is 1E-05");
        ShouldRefuse(GgufModels.Of(mamba2 with { Norm = false }), "Mamba2MixerOptions.Norm = False");
        ShouldRefuse(GgufModels.Of(mamba2 with { NormBeforeGate = true }), "*NormBeforeGate = True");
        ShouldRefuse(GgufModels.Of(mamba2 with { Groups = 2, UngroupedNorm = true }), "*UngroupedNorm = True");
        ShouldRefuse(GgufModels.Of(mamba2 with { DeltaMax = 0.5f }), "*DeltaMax = 0.5");
        ShouldRefuse(GgufModels.Of(mamba2 with { LearnableInitialState = true }), "*LearnableInitialState = True");
        ShouldRefuse(GgufModels.Of(mamba2) with { MlpDim = 8 }, "MlpDim = 8");
        ShouldRefuse(GgufModels.Of(mamba) with { Layers = [mamba, mamba2] }, "layers of these kinds in this order");
        ShouldRefuse(
            GgufModels.Of(mamba) with { Layers = [mamba, mamba with { StateDim = 8 }] }, "layers that differ");
        ShouldRefuse(
            GgufModels.Of(new AttentionMixerOptions { ModelDim = 32, Heads = 2, HeadDim = 16 }),
            "layers of these kinds in this order");
    }

    [Fact]
    public void A_type_that_is_not_written_and_a_wrong_tokenizer_are_refused()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel model = GgufModels.Create(device, GgufModels.Configs["mamba2"]);
        GgufTokenizer tokenizer = GgufModels.Tokenizer(11);

        Action type = () => model.SaveGguf(File, GgufType.IQ4_XS);
        Action many = () => model.SaveGguf(File, tokenizer: GgufModels.Tokenizer(17));
        Action twice = () => model.SaveGguf(File, tokenizer: tokenizer with { Tokens = ["x", "x"] });

        type.Should().Throw<NotSupportedException>().WithMessage("Matrices are written as F32, F16, *; found IQ4_XS.");
        many.Should().Throw<ArgumentException>().WithMessage("*at most 16 tokens*found 17*");
        twice.Should().Throw<ArgumentException>().WithMessage("*found \"x\" twice*");
        System.IO.File.Exists(File).Should().BeFalse();
    }

    [Fact]
    public void A_weight_that_does_not_fit_is_named_and_no_file_is_left()
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel model = GgufModels.Create(device, GgufModels.Configs["mamba2"]);
        float[] values = model.Embedding.Weight.Value.ToArray();
        values[300] = 1e30f;
        model.Embedding.Weight.Value.CopyFrom(values);

        Action save = () => model.SaveGguf(File, GgufType.Q4_K);

        save.Should().Throw<ArithmeticException>().WithMessage("\"token_embd.weight\" cannot be stored as Q4_K.*");
        Directory.GetFiles(_folder.Path).Should().BeEmpty();
    }

    [Theory]
    [InlineData("general.architecture", "mamba99", "*general.architecture is \"mamba99\"; supported are mamba*mamba2*")]
    public void An_unknown_kind_of_model_is_refused_by_name(string key, string value, string message)
    {
        using CpuDevice device = TestDevice.Cpu(1);
        _folder.Write("model.gguf", new GgufBytes().Key(key, value).Make());

        Action load = () => MambaLanguageModel.Load(File, device).Dispose();

        load.Should().Throw<NotSupportedException>().WithMessage(message);
    }

    [Theory]
    [InlineData("block_count", 3u, "*\"blk.2.attn_norm.weight\" is missing*")]
    [InlineData("block_count", uint.MaxValue, "*\"mamba2.block_count\": expected an integer from 1 to 4096*")]
    [InlineData("embedding_length", 64u, "*\"token_embd.weight\" has shape ?16, 256?; expected ?16, 64? from*keys*")]
    [InlineData("ssm.state_size", 0u, "*\"mamba2.ssm.state_size\": expected an integer from 1*found 0*")]
    [InlineData("ssm.time_step_rank", 7u, "*\"mamba2.ssm.time_step_rank\": expected*heads that divides 512*")]
    [InlineData("ssm.group_count", 3u, "*\"mamba2.ssm.group_count\": expected a number of groups that divides 16*")]
    public void Keys_that_do_not_fit_the_tensors_are_refused_by_name(string key, uint value, string message)
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using (MambaLanguageModel model = GgufModels.Create(device, GgufModels.Configs["mamba2"]))
        {
            model.SaveGguf(File);
        }

        byte[] content = System.IO.File.ReadAllBytes(File), name = GgufBytes.Text($"mamba2.{key}");
        BitConverter.GetBytes(value).CopyTo(content, content.AsSpan().IndexOf(name) + name.Length + sizeof(uint));
        _folder.Write("model.gguf", content);
        long before = device.AllocatedBytes;

        Action load = () => MambaLanguageModel.Load(File, device).Dispose();

        load.Should().Throw<InvalidDataException>().WithMessage(message);
        device.AllocatedBytes.Should().Be(before);
    }

    private void ShouldRefuse(LanguageModelConfig config, string option)
    {
        using CpuDevice device = TestDevice.Cpu(1);
        using MambaLanguageModel model = new(device, config, new Random(1));

        Action save = () => model.SaveGguf(File);

        save.Should().Throw<NotSupportedException>().WithMessage(
            $"The model cannot be saved: GGUF cannot express {option}.");
        Directory.GetFiles(_folder.Path).Should().BeEmpty();
    }

    private static float[] Values(GgufFile file, GgufTensor tensor)
    {
        float[] values = new float[tensor.Count];
        file.Read(tensor.Name, values);
        return values;
    }

    private static byte[] Bytes(GgufFile file, GgufTensor tensor)
    {
        byte[] bytes = new byte[tensor.ByteLength];
        file.ReadBytes(tensor.Name, 0, bytes);
        return bytes;
    }
}
