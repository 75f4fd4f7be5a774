using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models.Generation;
using Mamba.Operations;

namespace Mamba.Models;

/// <summary>A language model of Mamba, Mamba-2, S4D and attention layers: embedding, blocks, norm, head.</summary>
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
    private readonly bool _readsEmbeddings;
    private readonly WarmBatches _warm = new();

    /// <summary>Makes a model.</summary>
    /// <param name="device">Device for the model.</param>
    /// <param name="config">Sizes and layers.</param>
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
        _readsEmbeddings = config.Layers.Any(layer => layer is SharedInputMixerOptions);
        _blocks = new ResidualBlock[config.Layers.Count];
        using DeviceScope scope = device.Scope();
        using OwnedMemoryGuard made = new(device);
        try
        {
            // The published models scale output projections by the number of layers (GPT-2's rule), with or without
            // MLPs.
            double outputScale = 1 / Math.Sqrt(config.Layers.Count);
            Embedding = AddModule(
                "embedding", new Embedding(device, config.PaddedVocabularySize, config.ModelDim, random));
            Dictionary<int, SharedTransformerBlock> shared = [];
            for (int i = 0; i < _blocks.Length; i++)
            {
                GatedMlp? mlp = config.MlpDim > 0
                    ? new(device, config.ModelDim, config.MlpDim, random, outputScale)
                    : null;
                SequenceMixer mixer = config.Layers[i] is SharedInputMixerOptions options
                    ? options.Create(device, random, outputScale, shared)
                    : config.Layers[i].Create(device, random, outputScale);
                _blocks[i] = AddModule(
                    $"blocks.{i}", new ResidualBlock(
                        mixer, config.ModelDim, config.NormEpsilon, mlp, config.ResidualScale, config.PostNorms));
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

    /// <summary>Sizes and layers.</summary>
    public LanguageModelConfig Config { get; }

    /// <summary>The token embedding.</summary>
    public Embedding Embedding { get; }

    /// <summary>The layers.</summary>
    public IReadOnlyList<ResidualBlock> Blocks => _blocks;

    /// <summary>The norm before the head.</summary>
    public RmsNorm FinalNorm { get; }

    /// <summary>The head; null if it shares the embedding's weights.</summary>
    public Linear? Head { get; }

    /// <summary>
    /// Activation checkpointing: a tape keeps only the inputs of each layer, and the backward pass recomputes the rest.
    /// It takes a third more time and a fraction of the memory. Gradients are bitwise the same.
    /// </summary>
    public bool RecomputeActivations { get; set; }

    /// <summary>Makes a state for new texts.</summary>
    /// <param name="batch">Number of texts.</param>
    /// <returns>The state; the caller disposes it.</returns>
    public ModelState CreateState(int batch = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(batch);
        return new(ModelState.CreateLayers(_blocks, block => block.Mixer.CreateState(batch)), batch, _stateKind);
    }

    /// <summary>Computes the logits at every position.</summary>
    /// <param name="ids">Token ids in row-major order: batch·length of them.</param>
    /// <param name="batch">Number of rows.</param>
    /// <param name="state">The state before the tokens; read and updated. Null starts new texts.</param>
    /// <param name="segments">Boundaries of packed texts, which stay independent; null: one text per row.</param>
    /// <returns>Shape [batch, length, paddedVocabularySize], in the device's scope.</returns>
    /// <exception cref="ArgumentException">
    /// The tokens do not fill the rows, or the state is of another model.
    /// </exception>
    public DeviceArray Forward(
        ReadOnlySpan<int> ids, int batch = 1, ModelState? state = null, Segments? segments = null)
    {
        using ModelStateUse use = new(state);
        (ResidualStream h, LayerState[] after) = Read(ids, batch, state, segments, default);
        DeviceArray logits = Logits(h);
        Advance(state, after, h.Residual.Shape[1], segments);
        return logits;
    }

    /// <summary>Reads a prompt, or its next piece, and computes the logits of the next token.</summary>
    /// <param name="ids">Token ids in row-major order: batch·length of them, at least one per row.</param>
    /// <param name="state">The state before the tokens; read and updated. It has one text per row.</param>
    /// <param name="logits">Receives [batch, paddedVocabularySize].</param>
    /// <param name="cancellation">Cancels between two layers; the state is then unchanged.</param>
    /// <exception cref="ArgumentException">
    /// The tokens do not fill the rows, the state belongs to another model, or <paramref name="logits"/> is too short.
    /// </exception>
    /// <exception cref="OperationCanceledException">The work was cancelled.</exception>
    /// <remarks>Tapes do not record it, so it has no gradients. If a call fails, the state is unchanged.</remarks>
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
        (ResidualStream h, LayerState[] after) = Read(ids, state.Batch, state, null, cancellation);
        int length = h.Residual.Shape[1];
        IndexArray last = Device.Indices([length - 1]);
        Logits(new ResidualStream(Functions.Gather(h.Residual, last), Functions.Gather(h.Update, last))).CopyTo(logits);
        Advance(state, after, length, null);
    }

    /// <summary>Reads one token of each text, or of some texts, and computes the logits of the next tokens.</summary>
    /// <param name="ids">One token per text.</param>
    /// <param name="state">The state before the tokens; read and updated.</param>
    /// <param name="logits">Receives [texts, paddedVocabularySize].</param>
    /// <param name="slots">
    /// The text of each token, if the state is a pool of more texts; null: all texts, in order. Other texts do not
    /// change.
    /// </param>
    /// <exception cref="ArgumentException">
    /// There is not one token per text, the state belongs to another model or lacks such a text, or
    /// <paramref name="logits"/> is too short.
    /// </exception>
    /// <remarks>
    /// Tapes do not record it, so it has no gradients. If a call fails, the state is unchanged. A text in a pool gives
    /// bitwise the same result as alone; <see cref="ModelState.CopySlot"/> copies a text into a pool.
    /// </remarks>
    public void Step(ReadOnlySpan<int> ids, ModelState state, Span<float> logits, StateSlots? slots = null)
    {
        ArgumentNullException.ThrowIfNull(state);
        RequireOwn(state);
        RequireTokens(ids, state, slots);
        RequireRoom(logits, ids.Length);
        Step(ids, state, slots, logits, []);
    }

    /// <summary>
    /// Reads one token of each text, or of some texts, and finds the likeliest next tokens; the logits stay on the
    /// device.
    /// </summary>
    internal void Step(
        ReadOnlySpan<int> ids, ModelState state, Span<Likeliest> likeliest, StateSlots? slots = null)
    {
        RequireOwn(state);
        RequireTokens(ids, state, slots);
        Step(ids, state, slots, [], likeliest);
    }

    private void RequireTokens(ReadOnlySpan<int> ids, ModelState state, StateSlots? slots)
    {
        slots?.RequireFit(ids.Length, state.Batch);
        if (slots is null && ids.Length != state.Batch)
        {
            throw new ArgumentException(
                $"A step reads one token of each of the {state.Batch} texts of the state; found {ids.Length}.",
                nameof(ids));
        }

        RequireIds(ids, nameof(ids));
    }

    /// <summary>A step that gives the logits, or the likeliest tokens if there is room for them.</summary>
    private void Step(
        ReadOnlySpan<int> ids, ModelState state, StateSlots? slots, Span<float> logits, Span<Likeliest> likeliest)
    {
        using ModelStateUse use = new(state);
        using DeviceScope scope = Device.Scope();
        using Tape.Suspension pause = Tape.Suspend(Device);
        state.RequireUsable();
        if (Device.CanRecord && (slots is null ? state.CanRecord : state.CanRecordSlots))
        {
            StepRecorded(ids, state, slots, logits, likeliest);
        }
        else
        {
            StepInPlace(ids, state, slots, logits, likeliest);
        }

        state.Advance(1, null, slots);
    }

    private void StepRecorded(
        ReadOnlySpan<int> ids, ModelState state, StateSlots? slots, Span<float> logits, Span<Likeliest> likeliest)
    {
        // Makes the state own its memory, with current contents: the graph refers to that memory.
        state.PrepareStep(_blocks, slots);
        bool isGreedy = !likeliest.IsEmpty;
        RecordedStep? recorded = state.RecordedOf(this, slots, isGreedy);
        if (recorded is null)
        {
            recorded = RecordedStepOf(state, slots, isGreedy);
            state.Keep(recorded);
        }

        recorded.Run(ids, slots);
        if (isGreedy)
        {
            recorded.CopyTo(likeliest);
        }
        else
        {
            recorded.CopyTo(logits);
        }
    }

    private RecordedStep RecordedStepOf(ModelState state, StateSlots? slots, bool isGreedy) =>
        new(this, state, slots, isGreedy, (tokens, rows) => StepLogits(tokens, state, rows));

    private void StepInPlace(
        ReadOnlySpan<int> ids, ModelState state, StateSlots? slots, Span<float> logits, Span<Likeliest> likeliest)
    {
        // Once a step has found all its memory in the pool of its thread's context, later ones will too.
        WarmBatches.Entry warm = _warm.Of(Device.RequireContext());
        state.Reserve(1, slots); // only reserves room for a token
        bool isGreedy = !likeliest.IsEmpty;
        using ModelStepGuard guard = new(state, isSafe: warm.Covers(ids.Length, state.Room, isGreedy), slots);
        long allocations = warm.Context.Allocations;
        DeviceArray result = StepLogits(Device.Indices(ids), state, slots);
        if (isGreedy)
        {
            DeviceArray found = Device.Allocate([2, ids.Length]);
            Likeliest.Find(result, Config.VocabularySize, found);
            Span<float> numbers = ids.Length <= 64 ? stackalloc float[2 * ids.Length] : new float[2 * ids.Length];
            Likeliest.CopyTo(found, numbers, likeliest);
        }
        else
        {
            result.CopyTo(logits);
        }

        warm.Note(ids.Length, state.Room, allocations, isGreedy);
        guard.Done();
    }

    private DeviceArray StepLogits(IndexArray ids, ModelState state, StateSlots? slots)
    {
        ResidualStream h = StreamOf(EmbedTokens(ids, ids.Length, 1));
        for (int i = 0; i < _blocks.Length; i++)
        {
            h = _blocks[i].Step(h, state.Layers[i], slots);
        }

        // Without an adapter and a scale, the last norm and the head are one operation.
        Linear? head = Head;
        if (Config.LogitScale != 1 || head is { Adapter: not null })
        {
            return Logits(h);
        }

        NormOperation norm = FinalNorm.OperationOn(h);
        LinearOperation product = new LinearOperation
        {
            X = norm.Y,
            Weight = (head?.Weight ?? Embedding.Weight).Value,
            Bias = head?.Bias?.Value ?? default,
        }.Prepare(Device, keep: false);
        Device.NormedLinear(norm, product);
        return product.Y;
    }

    /// <summary>The mean cross-entropy, in nats, of predicting each token from the tokens before it.</summary>
    /// <param name="ids">Token ids in row-major order: batch·length of them.</param>
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

    /// <summary>The mean of <c>-ln p(target)</c> over all tokens with a target.</summary>
    /// <param name="ids">Input token ids in row-major order: batch·length of them.</param>
    /// <param name="targets">
    /// The token that follows each input; <see cref="Functions.IgnoredTarget"/> excludes a position from the mean.
    /// </param>
    /// <param name="batch">Number of rows.</param>
    /// <param name="state">The state before the tokens; read and updated. Null starts new texts.</param>
    /// <param name="segments">Boundaries of packed texts, which stay independent; null: one text per row.</param>
    /// <returns>An array of one element, in nats.</returns>
    /// <exception cref="ArgumentException">
    /// The tokens do not fill the rows, or the number of targets differs.
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
        (ResidualStream h, LayerState[] after) = Read(ids, batch, state, segments, default);
        DeviceArray loss = LossOf(h, Device.Indices(targets));
        Advance(state, after, h.Residual.Shape[1], segments);
        return loss;
    }

    /// <summary>The loss. If the head is a plain matrix, it never stores the logits of the whole vocabulary.</summary>
    private DeviceArray LossOf(ResidualStream h, IndexArray targets) =>
        Head is { Adapter: not null } or { Bias: not null }
        ? Functions.CrossEntropy(Logits(h), targets)
        : Functions.LinearCrossEntropy(Normed(h), (Head?.Weight ?? Embedding.Weight).Value, targets);

    /// <summary>Looks up the embeddings of tokens, the input of the first layer.</summary>
    /// <param name="ids">Token ids in row-major order: batch·length of them.</param>
    /// <param name="batch">Number of rows.</param>
    /// <returns>
    /// Shape [batch, length, modelDim], in the device's scope; times <see cref="LanguageModelConfig.EmbeddingScale"/>.
    /// </returns>
    /// <exception cref="ArgumentException">
    /// The tokens do not fill the rows, or a token is not in the vocabulary.
    /// </exception>
    public DeviceArray Embed(ReadOnlySpan<int> ids, int batch = 1) =>
        EmbedTokens(Device.Indices(ids), batch, RequireRows(ids, batch, least: 0));

    private DeviceArray EmbedTokens(IndexArray ids, int batch, int length) =>
        Functions.Scaled(Embedding.Forward(ids, batch, length), Config.EmbeddingScale);

    /// <summary>
    /// Computes the residual stream after the last layer from arbitrary embeddings, for example of images or of a
    /// learned prompt.
    /// </summary>
    /// <param name="embeddings">Shape [batch, length, modelDim]; for example from <see cref="Embed"/>.</param>
    /// <param name="state">The state before the embeddings; read and updated. Null starts new texts.</param>
    /// <param name="segments">Boundaries of packed texts, which stay independent; null: one text per row.</param>
    /// <returns>Shape [batch, length, modelDim], before <see cref="FinalNorm"/>, in the device's scope.</returns>
    /// <exception cref="ArgumentException">
    /// The embeddings have another shape, or the state belongs to another model or has another number of texts.
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
        (ResidualStream h, LayerState[] after) = Read(embeddings, isOwn: false, state, segments, default);
        DeviceArray hidden = h.Sum();
        Advance(state, after, embeddings.Shape[1], segments);
        return hidden;
    }

    /// <summary>Computes the logits of the next token from the residual stream: final norm and head.</summary>
    /// <param name="hidden">Shape [.., modelDim]; for example from <see cref="Hidden"/>, or some rows of it.</param>
    /// <returns>Shape [.., paddedVocabularySize], in the device's scope.</returns>
    /// <exception cref="ArgumentException">The last axis is not the model's width.</exception>
    public DeviceArray Logits(DeviceArray hidden) => Logits(new ResidualStream(hidden));

    private DeviceArray Logits(ResidualStream h)
    {
        DeviceArray normed = Normed(h);
        return Head is null ? Functions.Linear(normed, Embedding.Weight.Value) : Head.Forward(normed);
    }

    /// <summary>The input of the head. Its scale is that of the logits, which are many more.</summary>
    private DeviceArray Normed(ResidualStream h) => Functions.Scaled(FinalNorm.Forward(h).Y, Config.LogitScale);

    /// <summary>
    /// Computes the residual stream after the last layer, and drafts of the layers' next states. <see cref="Advance"/>
    /// commits them to the state, once nothing can fail.
    /// </summary>
    private (ResidualStream H, LayerState[] After) Read(
        ReadOnlySpan<int> ids, int batch, ModelState? state, Segments? segments, CancellationToken cancellation) =>
        Read(Embed(ids, batch), isOwn: true, state, segments, cancellation);

    /// <summary>
    /// Computes the same from embeddings. If <paramref name="isOwn"/>, they are freed once the layers have read them.
    /// </summary>
    private (ResidualStream H, LayerState[] After) Read(
        DeviceArray embeddings, bool isOwn, ModelState? state, Segments? segments, CancellationToken cancellation)
    {
        if (state is not null)
        {
            RequireOwn(state);
        }

        int length = embeddings.Shape[1];
        ResidualStream h = StreamOf(embeddings);
        isOwn &= !_readsEmbeddings;
        LayerState[] after = new LayerState[state is null ? 0 : _blocks.Length];
        for (int i = 0; i < _blocks.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (state is not null)
            {
                after[i] = state.Layers[i].DraftInPlace(length, segments);
            }

            h = InScope(_blocks[i], h, isOwn ? null : embeddings.Storage, state is null ? null : after[i], segments);
        }

        return (h, after);
    }

    private ResidualStream StreamOf(DeviceArray embeddings) =>
        new(embeddings, default, _readsEmbeddings ? embeddings : default);

    private static void Advance(ModelState? state, LayerState[] after, int length, Segments? segments)
    {
        if (state is not null)
        {
            state.TakeFrom(after);
            state.Advance(length, segments);
        }
    }

    /// <summary>
    /// Computes a layer. Without a tape it frees the layer's intermediate arrays at once, and its input except
    /// <paramref name="kept"/>.
    /// </summary>
    private ResidualStream InScope(
        ResidualBlock block, ResidualStream h, Storage? kept, LayerState? state, Segments? segments)
    {
        if (Device.Tape is not null)
        {
            return RecomputeActivations
                ? block.ForwardRecomputed(h, state, segments)
                : block.Forward(h, state, segments);
        }

        ResidualStream next;
        using (DeviceScope scope = Device.Scope())
        {
            next = block.Forward(h, state, segments);
            next = new(scope.Keep(next.Residual), scope.Keep(next.Update), next.Embeddings);
            foreach (DeviceArray array in state?.Arrays ?? [])
            {
                scope.Keep(array);
            }
        }

        foreach (DeviceArray array in (ReadOnlySpan<DeviceArray>)[h.Residual, h.Update])
        {
            // Without an update, the stream before the layer is also the one after it.
            if (array.Exists && array.Storage != kept && array.Storage != next.Residual.Storage)
            {
                Device.EndEarly(array);
            }
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

    /// <summary>Throws on the first id outside the padded vocabulary.</summary>
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
