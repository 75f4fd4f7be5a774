using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Data;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Data;

public sealed class EvaluationTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(2)]
    [InlineData(1024)]
    [InlineData(1025)]
    [InlineData(2600)]
    public void Pieces_give_the_loss_of_the_whole(int length)
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = new(
            device,
            new() { VocabularySize = 256,
                Layers = [new Mamba2MixerOptions { ModelDim = 8, StateDim = 4, HeadDim = 8 }] },
            new Random(1));
        byte[] bytes = new byte[length];
        new Random(2).NextBytes(bytes);
        using TokenCorpus corpus = TokenCorpus.Open(_folder.Write("text.bin", bytes), null, Stop);
        using DeviceScope scope = device.Scope();
        int[] tokens = Array.ConvertAll(bytes, b => (int)b);

        double[] actual =
            [Evaluation.MeanLoss(model, corpus.Training, cancellation: TestContext.Current.CancellationToken)];

        actual.ShouldBeClose([model.Loss(tokens).ToArray()[0]], 2e-6);
    }

    [Fact]
    public void Nothing_to_predict_is_refused()
    {
        using Device device = TestDevice.Open();
        using MambaLanguageModel model = new(device, LanguageModelConfig.Mamba1(8, 1, 256), new Random(1));
        using TokenCorpus corpus = TokenCorpus.Open(_folder.Write("text.bin", [1]), null, Stop);

        ((Action)(() => Evaluation.MeanLoss(model, corpus.Training, 10, TestContext.Current.CancellationToken)))
            .Should()
            .Throw<InvalidDataException>().WithMessage("Expected at least two tokens to evaluate on; found 1.");
    }

    public void Dispose() => _folder.Dispose();
}
