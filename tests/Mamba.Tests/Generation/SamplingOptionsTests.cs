using Mamba.Models.Generation;

namespace Mamba.Tests.Generation;

public sealed class SamplingOptionsTests
{
    public static TheoryData<SamplingOptions, string> Wrong => new()
    {
        { new() { Temperature = -0.1 }, "Temperature" },
        { new() { Temperature = double.NaN }, "Temperature" },
        { new() { Temperature = double.PositiveInfinity }, "Temperature" },
        { new() { TopK = -1 }, "TopK" },
        { new() { TopP = 0 }, "TopP" },
        { new() { TopP = 1.01 }, "TopP" },
        { new() { TopP = double.NaN }, "TopP" },
        { new() { MinP = -0.1 }, "MinP" },
        { new() { MinP = 1.1 }, "MinP" },
        { new() { MinP = double.NaN }, "MinP" },
        { new() { RepetitionPenalty = 0 }, "RepetitionPenalty" },
        { new() { RepetitionPenalty = -1 }, "RepetitionPenalty" },
        { new() { RepetitionPenalty = double.NaN }, "RepetitionPenalty" },
        { new() { TypicalP = 0 }, "TypicalP" },
        { new() { FrequencyPenalty = double.PositiveInfinity }, "FrequencyPenalty" },
        { new() { PresencePenalty = double.NaN }, "PresencePenalty" },
        { new() { LogitBias = new Dictionary<int, double> { [-1] = 1 } }, "LogitBias" },
        { new() { LogitBias = new Dictionary<int, double> { [10] = 1 } }, "LogitBias" },
        { new() { LogitBias = new Dictionary<int, double> { [1] = double.NaN } }, "LogitBias" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void What_cannot_be_is_refused_by_name(SamplingOptions options, string name)
    {
        Action validate = options.Validate;
        Action construct = () => _ = new Sampler(10, options);

        if (options.LogitBias?.ContainsKey(10) != true) // the vocabulary is the sampler's
        {
            validate.Should().Throw<ArgumentOutOfRangeException>().WithParameterName(name)
                .WithMessage("*must be*found*");
        }

        construct.Should().Throw<ArgumentOutOfRangeException>().WithParameterName(name);
    }

    [Fact]
    public void Limits_are_allowed()
    {
        new SamplingOptions().Validate();
        SamplingOptions.Greedy.Validate();
        new SamplingOptions { Temperature = 1e6, TopK = int.MaxValue, TopP = double.Epsilon }.Validate();
        new SamplingOptions { MinP = 1, RepetitionPenalty = 1e-6 }.Validate();
        new SamplingOptions { TypicalP = double.Epsilon, FrequencyPenalty = -1e6, PresencePenalty = 1e6 }.Validate();
        new SamplingOptions { LogitBias = new Dictionary<int, double> { [0] = double.NegativeInfinity } }.Validate();
    }
}
