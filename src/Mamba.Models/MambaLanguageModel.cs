using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;

namespace Mamba.Models;

/// <summary>A language model of Mamba, Mamba-2 and attention layers: embedding, blocks, norm, head.</summary>
/// <remarks>Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, appendix E.2.</remarks>
public sealed partial class MambaLanguageModel : Module
{
    private readonly ResidualBlock[] _blocks;
    private readonly byte[] _configHash;

    /// <summary>Makes a model.</summary>
    /// <param name="device">Where it lives.</param>
    /// <param name="config">Its sizes.</param>
    /// <param name="random">Source of the first weights; null leaves them unset, for a loader to fill.</param>
    /// <exception cref="ArgumentException">The configuration makes no sense.</exception>
    public MambaLanguageModel(Device device, LanguageModelConfig config, Random? random)
        : base(device)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate();
        Config = config;
        _configHash = ModelState.HashOf(config);

        // The original models scale the output projections by the number of layers (GPT-2's rule), MLP or not.
        double outputScale = 1 / Math.Sqrt(config.Layers.Count);
        Embedding = AddModule(
            "embedding", new Embedding(device, config.PaddedVocabularySize, config.ModelDim, random));
        _blocks = new ResidualBlock[config.Layers.Count];
        for (int i = 0; i < _blocks.Length; i++)
        {
            GatedMlp? mlp = config.MlpDim > 0
                ? new(device, config.ModelDim, config.MlpDim, random, outputScale)
                : null;
            SequenceMixer mixer = config.Layers[i].Create(device, random, outputScale);
            _blocks[i] = AddModule($"blocks.{i}", new ResidualBlock(mixer, config.ModelDim, config.NormEpsilon, mlp));
        }

        FinalNorm = AddModule("final_norm", new RmsNorm(device, config.ModelDim, config.NormEpsilon));
        Head = config.TieEmbeddings
            ? null
            : AddModule("head", new Linear(device, config.ModelDim, config.PaddedVocabularySize, false, random));
    }

    /// <summary>Sizes and schedule.</summary>
    public LanguageModelConfig Config { get; }

    /// <summary>The vectors of the tokens.</summary>
    public Embedding Embedding { get; }

    /// <summary>The layers.</summary>
    public IReadOnlyList<ResidualBlock> Blocks => _blocks;

    /// <summary>The norm in front of the head.</summary>
    public RmsNorm FinalNorm { get; }

    /// <summary>The head; null where its weights are the embedding's.</summary>
    public Linear? Head { get; }

    /// <summary>
    /// Whether a tape keeps only what goes into each layer, and computes the rest a second time on the way back: a third
    /// more time for a fraction of the memory. Gradients have the same bits.
    /// </summary>
    public bool RecomputeActivations { get; set; }

    /// <summary>Makes the state of texts that have not begun.</summary>
    /// <param name="batch">Number of texts.</param>
    /// <returns>The state; the caller disposes it.</returns>
    public ModelState CreateState(int batch = 1) =>
        new(Array.ConvertAll(_blocks, block => block.Mixer.CreateState(batch)), batch, _configHash);

    /// <summary>Computes the logits at every position.</summary>
    /// <param name="ids">The tokens, row after row: batch·length of them.</param>
    /// <param name="batch">Number of rows.</param>
    /// <param name="state">What came before; read and updated. Null: the texts begin here.</param>
    /// <param name="segments">Packed texts, which never see each other; null: one text a row.</param>
    /// <returns>Shape [batch, length, paddedVocabularySize], in the device's scope.</returns>
    /// <exception cref="ArgumentException">The tokens do not fill the rows, or the state is of another model.</exception>
    public DeviceArray Forward(
        ReadOnlySpan<int> ids, int batch = 1, ModelState? state = null, Segments? segments = null) =>
        Logits(Hidden(ids, batch, state, segments));

    /// <summary>Reads a prompt, or its next piece, and computes the logits of the token that follows.</summary>
    /// <param name="ids">The tokens, row after row: batch·length of them, at least one a row.</param>
    /// <param name="state">What came before; read and updated. Its number of texts is the number of rows.</param>
    /// <param name="logits">Receives [batch, paddedVocabularySize].</param>
    /// <exception cref="ArgumentException">The tokens do not fill the rows, or the state is of another model.</exception>
    public void Prefill(ReadOnlySpan<int> ids, ModelState state, Span<float> logits)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentOutOfRangeException.ThrowIfLessThan(ids.Length, state.Batch, nameof(ids));
        using DeviceScope scope = Device.Scope();
        DeviceArray h = Hidden(ids, state.Batch, state, null);
        int length = h.Shape[1];
        DeviceArray last = Device.Allocate([state.Batch, 1, Config.ModelDim]);
        DeviceArray rows = last.Reshape([state.Batch, Config.ModelDim]);
        for (int row = 0; row < state.Batch; row++)
        {
            Device.Copy(h.RowRange((((nint)row + 1) * length) - 1, 1), rows.RowRange(row, 1));
        }

        Logits(last).CopyTo(logits);
    }

    /// <summary>Reads one token of every text and computes the logits of the next.</summary>
    /// <param name="ids">One token a text.</param>
    /// <param name="state">What came before; read and updated.</param>
    /// <param name="logits">Receives [batch, paddedVocabularySize].</param>
    /// <exception cref="ArgumentException">There is not one token a text, or the state is of another model.</exception>
    public void Step(ReadOnlySpan<int> ids, ModelState state, Span<float> logits)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentOutOfRangeException.ThrowIfNotEqual(ids.Length, state.Batch, nameof(ids));
        RequireOwn(state);
        if (Device.CanRecord && Device.Tape is null && state.IsOfFixedSize)
        {
            StepRecorded(ids, state, logits);
        }
        else
        {
            using DeviceScope scope = Device.Scope();
            StepLogits(Device.Indices(ids), state).CopyTo(logits);
        }

        state.Position++;
    }

    private void StepRecorded(ReadOnlySpan<int> ids, ModelState state, Span<float> logits)
    {
        state.Detach(); // to memory of its own, which the recording knows
        state.Recorded ??= RecordedStepOf(state);
        state.Recorded.Run(ids, logits);
    }

    private RecordedStep RecordedStepOf(ModelState state) =>
        new(Device, state.Batch, Config.PaddedVocabularySize, tokens => StepLogits(tokens, state));

    private DeviceArray StepLogits(IndexArray ids, ModelState state)
    {
        DeviceArray h = Embedding.Forward(ids, state.Batch, 1);
        for (int i = 0; i < _blocks.Length; i++)
        {
            h = _blocks[i].Step(h, state.Layers[i]);
        }

        return Logits(h);
    }

    /// <summary>The mean cross-entropy, in nats, of predicting each token from those before it.</summary>
    /// <param name="ids">The tokens, row after row: batch·length of them.</param>
    /// <param name="batch">Number of rows.</param>
    /// <param name="state">As in <see cref="Forward"/>.</param>
    /// <returns>An array of one element, in the device's scope.</returns>
    /// <exception cref="ArgumentException">The tokens do not fill the rows.</exception>
    public DeviceArray Loss(ReadOnlySpan<int> ids, int batch = 1, ModelState? state = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batch);
        int length = ids.Length / batch;
        int[] targets = new int[ids.Length];
        for (int i = 0; i < targets.Length; i++)
        {
            targets[i] = (i + 1) % length == 0 ? Functions.IgnoredTarget : ids[i + 1];
        }

        return Loss(ids, targets, batch, state);
    }

    /// <summary>The mean of <c>-ln p(target)</c> over all tokens that have a target.</summary>
    /// <param name="ids">The tokens that are read, row after row: batch·length of them.</param>
    /// <param name="targets">
    /// The token that follows each of them; <see cref="Functions.IgnoredTarget"/> where what follows does not count.
    /// </param>
    /// <param name="batch">Number of rows.</param>
    /// <param name="state">What came before; read and updated. Null: the texts begin here.</param>
    /// <param name="segments">Packed texts, which never see each other; null: one text a row.</param>
    /// <returns>An array of one element, in nats.</returns>
    /// <exception cref="ArgumentException">The tokens do not fill the rows, or there are not as many targets.</exception>
    public DeviceArray Loss(
        ReadOnlySpan<int> ids,
        ReadOnlySpan<int> targets,
        int batch = 1,
        ModelState? state = null,
        Segments? segments = null)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(targets.Length, ids.Length, nameof(targets));
        return Functions.CrossEntropy(Forward(ids, batch, state, segments), Device.Indices(targets));
    }

    /// <summary>The residual stream after the last layer, shape [batch, length, modelDim].</summary>
    internal DeviceArray Hidden(ReadOnlySpan<int> ids, int batch, ModelState? state, Segments? segments)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batch);
        if (ids.Length % batch != 0)
        {
            throw new ArgumentException($"{ids.Length} tokens do not fill {batch} rows.", nameof(ids));
        }

        if (state is not null)
        {
            RequireOwn(state);
        }

        int length = ids.Length / batch;
        DeviceArray h = Embedding.Forward(Device.Indices(ids), batch, length);
        for (int i = 0; i < _blocks.Length; i++)
        {
            h = InScope(_blocks[i], h, state?.Layers[i], segments);
        }

        if (state is not null)
        {
            state.Position += length;
        }

        return h;
    }

    /// <summary>Computes a layer; without a tape, which needs it, what stands between is freed at once.</summary>
    private DeviceArray InScope(ResidualBlock block, DeviceArray h, LayerState? state, Segments? segments)
    {
        if (Device.Tape is not null)
        {
            return RecomputeActivations
                ? block.ForwardRecomputed(h, state, segments)
                : block.Forward(h, state, segments);
        }

        using DeviceScope scope = Device.Scope();
        return scope.Keep(block.Forward(h, state, segments));
    }

    internal DeviceArray Logits(DeviceArray h)
    {
        DeviceArray normed = FinalNorm.Forward(h);
        return Head is null ? Functions.Linear(normed, Embedding.Weight.Value) : Head.Forward(normed);
    }

    private void RequireOwn(ModelState state)
    {
        if (!state.ConfigHash.AsSpan().SequenceEqual(_configHash))
        {
            throw new ArgumentException("The state belongs to a model of another configuration.", nameof(state));
        }
    }
}
