using Mamba.Models;

namespace Mamba.Benchmarks.Quick;

/// <summary>A model with the state and the logits of some texts.</summary>
/// <param name="model">The model; its device frees it.</param>
/// <param name="batch">Number of texts.</param>
internal sealed class BenchModel(MambaLanguageModel model, int batch = 1) : IDisposable
{
    private readonly float[] _logits = new float[batch * model.Config.PaddedVocabularySize];
    private readonly int[] _ids = new int[batch];

    public MambaLanguageModel Model => model;

    /// <summary>The state of the texts.</summary>
    public ModelState State { get; } = model.CreateState(batch);

    /// <summary>Reads some tokens of every text.</summary>
    public void Prefill(ReadOnlySpan<int> ids) => model.Prefill(ids, State, _logits);

    /// <summary>Reads one token of every text.</summary>
    public void Step() => model.Step(_ids, State, _logits);

    public void Dispose() => State.Dispose();
}
