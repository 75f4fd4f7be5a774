using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Tasks;

namespace Mamba.Tests.Tasks;

public sealed class AnswersTests
{
    private static readonly TaskBatch Batch = new(2, [1, 2, 3, 4, 5, 6], [-100, 7, -100, 0, -100, 5]);

    [Fact]
    public void The_loss_is_that_of_all_positions_of_which_those_without_questions_are_ignored()
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = Model(device);

        using DeviceScope scope = device.Scope();
        float loss = Answers.Loss(model, Batch).ToArray()[0];

        DeviceArray expected = Functions.CrossEntropy(model.Forward(Batch.Tokens, 2), device.Indices(Batch.Targets));
        loss.Should().BeApproximately(expected.ToArray()[0], 1e-5f);
    }

    [Fact]
    public void The_accuracy_is_the_share_of_questions_whose_largest_logit_is_the_answer()
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = Model(device);
        float[] logits;
        using (DeviceScope scope = device.Scope())
        {
            logits = model.Forward(Batch.Tokens, 2).ToArray();
        }

        int Best(int position) => Enumerable.Range(0, 8).MaxBy(i => logits[(position * 8) + i]);
        TaskBatch batch = Batch with { Targets = [-100, Best(1), -100, (Best(3) + 1) % 8, Best(4), Best(5)] };

        Answers.Accuracy(model, [batch, batch]).Should().Be(0.75);
    }

    [Fact]
    public void Sequences_have_the_length_and_rows_of_their_own()
    {
        Batch.Length.Should().Be(3);
        Batch.TokensOf(1).ToArray().Should().Equal(4, 5, 6);
        Batch.TargetsOf(1).ToArray().Should().Equal(0, -100, 5);
    }

    private static MambaLanguageModel Model(Device device) => new(
        device,
        new() { VocabularySize = 8, Layers = [new MambaMixerOptions { ModelDim = 8, StateDim = 4 }] },
        new Random(1));
}
