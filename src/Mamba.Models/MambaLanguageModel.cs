using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Models;

/// <summary>A language model of Mamba, Mamba-2 and attention layers: embedding, blocks, norm, head.</summary>
/// <remarks>Gu and Dao, <see href="https://arxiv.org/abs/2312.00752"/>, appendix E.2.</remarks>
/// <example>
/// <code>
/// using MambaLanguageModel model = MambaLanguageModel.Load("mamba-130m-hf", device);
/// await foreach (int next in model.GenerateAsync(prompt, new() { MaxTokens = 100 }))
/// {
///     Console.Write($"{next} ");
/// }
/// </code>
/// </example>
public sealed partial class MambaLanguageModel : Module
{
    private readonly ResidualBlock[] _blocks;
    private readonly string _stateKind;
    private readonly WarmBatches _warm = new();

    /// <summary>Makes a model.</summary>
    /// <param name="device">Where it lives.</param>
    /// <param name="config">Its sizes.</param>
    /// <param name="random">Source of the initial weights; null leaves them unset for a loader.</param>
    /// <exception cref="ArgumentException">The configuration is invalid.</exception>
    /// <exception cref="InsufficientMemoryException">
    /// The device has too little memory; nothing stays allocated.
    /// </exception>
    public MambaLanguageModel(Device device, LanguageModelConfig config, Random? random)
        : base(device)
    {
        ArgumentNullException.ThrowIfNull(config);
        config.Validate();
        Config = config;
        _stateKind = StateKind.Of(config);
        _blocks = new ResidualBlock[config.Layers.Count];
        using DeviceScope scope = device.Scope();
        using OwnedMemoryGuard made = new(device);
        try
        {
            // The original models scale the output projections by the number of layers (GPT-2's rule), MLP or not.
            double outputScale = 1 / Math.Sqrt(config.Layers.Count);
            Embedding = AddModule(
                "embedding", new Embedding(device, config.PaddedVocabularySize, config.ModelDim, random));
            for (int i = 0; i < _blocks.Length; i++)
            {
                GatedMlp? mlp = config.MlpDim > 0
                    ? new(device, config.ModelDim, config.MlpDim, random, outputScale)
                    : null;
                SequenceMixer mixer = config.Layers[i].Create(device, random, outputScale);
                _blocks[i] = AddModule(
                    $"blocks.{i}", new ResidualBlock(mixer, config.ModelDim, config.NormEpsilon, mlp));
            }

            FinalNorm = AddModule("final_norm", new RmsNorm(device, config.ModelDim, config.NormEpsilon));
            Head = config.TieEmbeddings
                ? null
                : AddModule("head", new Linear(device, config.ModelDim, config.PaddedVocabularySize, false, random));
        }
        catch
        {
            made.Release(); // also the memory of the incomplete layer
            throw;
        }
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
    /// Whether a tape keeps only what goes into each layer, and computes the rest a second time on the way back: a
    /// third more time for a fraction of the memory. Gradients have the same bits.
    /// </summary>
    public bool RecomputeActivations { get; set; }

    /// <summary>Makes the state of texts that have not begun.</summary>
    /// <param name="batch">Number of texts.</param>
    /// <returns>The state; the caller disposes it.</returns>
    public ModelState CreateState(int batch = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(batch);
        return new(ModelState.CreateLayers(_blocks, block => block.Mixer.CreateState(batch)), batch, _stateKind);
    }

    /// <summary>Computes the logits at every position.</summary>
    /// <param name="ids">The tokens, row after row: batch·length of them.</param>
    /// <param name="batch">Number of rows.</param>
    /// <param name="state">The state before the tokens; read and updated. Null starts new texts.</param>
    /// <param name="segments">The packed texts of a row, which do not see each other; null is one text per row.</param>
    /// <returns>Shape [batch, length, paddedVocabularySize], in the device's scope.</returns>
    /// <exception cref="ArgumentException">
    /// The tokens do not fill the rows, or the state is of another model.
    /// </exception>
    public DeviceArray Forward(
        ReadOnlySpan<int> ids, int batch = 1, ModelState? state = null, Segments? segments = null)
    {
        using ModelStateUse use = new(state);
        (DeviceArray h, LayerState[] after) = Read(ids, batch, state, segments, default);
        DeviceArray logits = Logits(h);
        Advance(state, after, h.Shape[1], segments);
        return logits;
    }

    /// <summary>Reads a prompt, or its next piece, and computes the logits of the token that follows.</summary>
    /// <param name="ids">The tokens, row after row: batch·length of them, at least one a row.</param>
    /// <param name="state">What came before; read and updated. Its number of texts is the number of rows.</param>
    /// <param name="logits">Receives [batch, paddedVocabularySize].</param>
    /// <param name="cancellation">Ends the work between two layers; the state is then as it was.</param>
    /// <exception cref="ArgumentException">
    /// The tokens do not fill the rows, the state is of another model, or there is not room for all logits.
    /// </exception>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    /// <remarks>
    /// A tape does not record it, so it has no gradients. If a call fails, the state does not change.
    /// </remarks>
    public void Prefill(
        ReadOnlySpan<int> ids, ModelState state, Span<float> logits, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(state);
        RequireOwn(state);
        RequireRows(ids, state.Batch, least: 1);
        RequireRoom(logits, state.Batch);
        using ModelStateUse use = new(state);
        using DeviceScope scope = Device.Scope();
        using Tape.Suspension pause = Tape.Suspend(Device);
        (DeviceArray h, LayerState[] after) = Read(ids, state.Batch, state, null, cancellation);
        int length = h.Shape[1];
        DeviceArray last = Device.Allocate([state.Batch, 1, Config.ModelDim]);
        DeviceArray rows = last.Reshape([state.Batch, Config.ModelDim]);
        for (int row = 0; row < state.Batch; row++)
        {
            Device.Copy(h.RowRange((((nint)row + 1) * length) - 1, 1), rows.RowRange(row, 1));
        }

        Logits(last).CopyTo(logits);
        Advance(state, after, length, null);
    }

    /// <summary>Reads one token of every text, or of some, and computes the logits of the next.</summary>
    /// <param name="ids">One token a text.</param>
    /// <param name="state">The state before the tokens; read and updated.</param>
    /// <param name="logits">Receives [texts, paddedVocabularySize].</param>
    /// <param name="slots">
    /// The text of each token, if the state is a pool of more texts; null: all texts, in their order. The other texts do
    /// not change.
    /// </param>
    /// <exception cref="ArgumentException">
    /// There is not one token a text, the state is of another model or has no such text, or there is not room for all
    /// logits.
    /// </exception>
    /// <remarks>
    /// A tape does not record it, so it has no gradients. If a call fails, the state does not change. A text of a pool
    /// gives the bits that it gives alone; <see cref="ModelState.CopySlot"/> puts one there.
    /// </remarks>
    public void Step(ReadOnlySpan<int> ids, ModelState state, Span<float> logits, StateSlots? slots = null)
    {
        ArgumentNullException.ThrowIfNull(state);
        RequireOwn(state);
        slots?.RequireFit(ids.Length, state.Batch);
        if (slots is null && ids.Length != state.Batch)
        {
            throw new ArgumentException(
                $"A step reads one token of each of the {state.Batch} texts of the state; found {ids.Length}.",
                nameof(ids));
        }

        RequireIds(ids, nameof(ids));
        RequireRoom(logits, ids.Length);
        using ModelStateUse use = new(state);
        using DeviceScope scope = Device.Scope();
        using Tape.Suspension pause = Tape.Suspend(Device);
        state.RequireUsable();
        if (Device.CanRecord && (slots is null ? state.CanRecord : state.CanRecordSlots))
        {
            StepRecorded(ids, state, slots, logits);
        }
        else
        {
            StepInPlace(ids, state, slots, logits);
        }

        state.Advance(1, null, slots);
    }

    private void StepRecorded(ReadOnlySpan<int> ids, ModelState state, StateSlots? slots, Span<float> logits)
    {
        // Memory of its own, which the recording knows, and nothing left to write there.
        state.PrepareStep(_blocks, slots);
        RecordedStep? recorded = state.RecordedOf(this, slots);
        if (recorded is null)
        {
            recorded = RecordedStepOf(state, slots);
            state.Keep(recorded);
        }

        recorded.Run(ids, slots, logits);
    }

    private RecordedStep RecordedStepOf(ModelState state, StateSlots? slots) =>
        new(this, state, slots, (tokens, rows) => StepLogits(tokens, state, rows));

    private void StepInPlace(ReadOnlySpan<int> ids, ModelState state, StateSlots? slots, Span<float> logits)
    {
        // Once a step has found all its memory in the pool of its thread's context, the next one will.
        WarmBatches.Entry warm = _warm.Of(Device.RequireContext());
        state.Reserve(1, slots); // room for a token, which is no change
        using ModelStepGuard guard = new(state, isSafe: warm.Covers(ids.Length, state.Room), slots);
        long allocations = warm.Context.Allocations;
        StepLogits(Device.Indices(ids), state, slots).CopyTo(logits);
        warm.Note(ids.Length, state.Room, allocations);
        guard.Done();
    }

    private DeviceArray StepLogits(IndexArray ids, ModelState state, StateSlots? slots)
    {
        DeviceArray h = Embedding.Forward(ids, ids.Length, 1);
        for (int i = 0; i < _blocks.Length; i++)
        {
            h = _blocks[i].Step(h, state.Layers[i], slots);
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
        int length = RequireRows(ids, batch, least: 1);
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
    /// <param name="state">The state before the tokens; read and updated. Null starts new texts.</param>
    /// <param name="segments">The packed texts of a row, which do not see each other; null is one text per row.</param>
    /// <returns>An array of one element, in nats.</returns>
    /// <exception cref="ArgumentException">
    /// The tokens do not fill the rows, or there are not as many targets.
    /// </exception>
    public DeviceArray Loss(
        ReadOnlySpan<int> ids,
        ReadOnlySpan<int> targets,
        int batch = 1,
        ModelState? state = null,
        Segments? segments = null)
    {
        if (targets.Length != ids.Length)
        {
            throw new ArgumentException(
                $"Expected {ids.Length} targets, one a token; found {targets.Length}.", nameof(targets));
        }

        using ModelStateUse use = new(state);
        (DeviceArray h, LayerState[] after) = Read(ids, batch, state, segments, default);
        DeviceArray loss = LossOf(h, Device.Indices(targets));
        Advance(state, after, h.Shape[1], segments);
        return loss;
    }

    /// <summary>The loss, without the logits of the whole vocabulary if the head is a plain matrix.</summary>
    private DeviceArray LossOf(DeviceArray h, IndexArray targets) => Head is { Adapter: not null } or { Bias: not null }
        ? Functions.CrossEntropy(Logits(h), targets)
        : Functions.LinearCrossEntropy(FinalNorm.Forward(h), (Head?.Weight ?? Embedding.Weight).Value, targets);

    /// <summary>Looks up the vectors of tokens: what the first layer reads.</summary>
    /// <param name="ids">The tokens, row after row: batch·length of them.</param>
    /// <param name="batch">Number of rows.</param>
    /// <returns>Shape [batch, length, modelDim], in the device's scope.</returns>
    /// <exception cref="ArgumentException">
    /// The tokens do not fill the rows, or one is not in the vocabulary.
    /// </exception>
    public DeviceArray Embed(ReadOnlySpan<int> ids, int batch = 1) =>
        Embedding.Forward(Device.Indices(ids), batch, RequireRows(ids, batch, least: 0));

    /// <summary>
    /// Computes the residual stream after the last layer, of vectors that need not be those of tokens: of images, for
    /// instance, or of a prompt that is learned.
    /// </summary>
    /// <param name="embeddings">Shape [batch, length, modelDim]; for example of <see cref="Embed"/>.</param>
    /// <param name="state">What came before; read and updated. Null: the texts begin here.</param>
    /// <param name="segments">Packed texts, which never see each other; null: one text a row.</param>
    /// <returns>Shape [batch, length, modelDim], before <see cref="FinalNorm"/>, in the device's scope.</returns>
    /// <exception cref="ArgumentException">
    /// The vectors have another shape, or the state is of another model or number of texts.
    /// </exception>
    /// <example>
    /// <code>
    /// DeviceArray all = Functions.Concat(1, images, model.Embed(ids));
    /// DeviceArray logits = model.Logits(model.Hidden(all));
    /// DeviceArray ofText = Functions.Mean(model.FinalNorm.Forward(model.Hidden(model.Embed(ids))), 1);
    /// </code>
    /// </example>
    public DeviceArray Hidden(DeviceArray embeddings, ModelState? state = null, Segments? segments = null)
    {
        if (!embeddings.Exists || embeddings.Shape.Rank != 3 || embeddings.Shape.Width != Config.ModelDim)
        {
            throw new ArgumentException(
                $"Expected embeddings of shape [batch, length, {Config.ModelDim}]; found {embeddings}.",
                nameof(embeddings));
        }

        using ModelStateUse use = new(state);
        (DeviceArray h, LayerState[] after) = Read(embeddings, isOwn: false, state, segments, default);
        Advance(state, after, h.Shape[1], segments);
        return h;
    }

    /// <summary>Computes the logits of the next token from the residual stream: the last norm, and the head.</summary>
    /// <param name="hidden">Shape [.., modelDim]; for example of <see cref="Hidden"/>, or some rows of it.</param>
    /// <returns>Shape [.., paddedVocabularySize], in the device's scope.</returns>
    /// <exception cref="ArgumentException">The last axis is not the model's width.</exception>
    public DeviceArray Logits(DeviceArray hidden)
    {
        DeviceArray normed = FinalNorm.Forward(hidden);
        return Head is null ? Functions.Linear(normed, Embedding.Weight.Value) : Head.Forward(normed);
    }

    /// <summary>
    /// Computes the residual stream after the last layer, and what each layer remembers then. The state itself moves on
    /// in <see cref="Advance"/>, once nothing can fail.
    /// </summary>
    private (DeviceArray H, LayerState[] After) Read(
        ReadOnlySpan<int> ids, int batch, ModelState? state, Segments? segments, CancellationToken cancellation) =>
        Read(Embed(ids, batch), isOwn: true, state, segments, cancellation);

    /// <summary>
    /// Computes that of vectors, which are freed once the first layer has read them if nobody else has them (isOwn).
    /// </summary>
    private (DeviceArray H, LayerState[] After) Read(
        DeviceArray h, bool isOwn, ModelState? state, Segments? segments, CancellationToken cancellation)
    {
        if (state is not null)
        {
            RequireOwn(state);
        }

        int length = h.Shape[1];
        LayerState[] after = new LayerState[state is null ? 0 : _blocks.Length];
        for (int i = 0; i < _blocks.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (state is not null)
            {
                after[i] = state.Layers[i].DraftInPlace(length, segments);
            }

            h = InScope(_blocks[i], h, isOwn || i > 0, state is null ? null : after[i], segments);
        }

        return (h, after);
    }

    private static void Advance(ModelState? state, LayerState[] after, int length, Segments? segments)
    {
        if (state is not null)
        {
            state.TakeFrom(after);
            state.Advance(length, segments);
        }
    }

    /// <summary>
    /// Computes a layer. Without a tape, which needs them, what stands between is freed at once, and its input if
    /// nobody else has it.
    /// </summary>
    private DeviceArray InScope(
        ResidualBlock block, DeviceArray h, bool isOwn, LayerState? state, Segments? segments)
    {
        if (Device.Tape is not null)
        {
            return RecomputeActivations
                ? block.ForwardRecomputed(h, state, segments)
                : block.Forward(h, state, segments);
        }

        DeviceArray next;
        using (DeviceScope scope = Device.Scope())
        {
            next = scope.Keep(block.Forward(h, state, segments));
            foreach (DeviceArray array in state?.Arrays ?? [])
            {
                scope.Keep(array);
            }
        }

        if (isOwn)
        {
            Device.EndEarly(h);
        }

        return next;
    }

    private static int RequireRows(ReadOnlySpan<int> ids, int batch, int least)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batch);
        return ids.Length % batch == 0 && ids.Length / batch >= least
            ? ids.Length / batch
            : throw new ArgumentException(
                $"Expected as many tokens in each of {batch} rows, at least {least}; found {ids.Length} tokens.",
                nameof(ids));
    }

    /// <summary>Throws on the first id that has no row in the embedding.</summary>
    private void RequireIds(ReadOnlySpan<int> ids, string name)
    {
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)Config.PaddedVocabularySize)
            {
                throw new ArgumentOutOfRangeException(
                    name, id, $"Token id {id} lies outside the vocabulary of {Config.PaddedVocabularySize}.");
            }
        }
    }

    private void RequireRoom(Span<float> logits, int batch)
    {
        long count = (long)batch * Config.PaddedVocabularySize;
        if (logits.Length < count)
        {
            throw new ArgumentException(
                $"Expected room for {count} logits, {Config.PaddedVocabularySize} for each of {batch} texts; found " +
                $"room for {logits.Length}.",
                nameof(logits));
        }
    }

    private void RequireOwn(ModelState state)
    {
        if (state.Kind != _stateKind)
        {
            throw new ArgumentException(
                $"The state belongs to another model: expected {_stateKind}; found {state.Kind}.", nameof(state));
        }

        if (state.Layers is [{ Device: { } device }, ..] && device != Device)
        {
            throw new ArgumentException($"The model is on \"{Device}\"; the state is on \"{device}\".", nameof(state));
        }
    }
}
