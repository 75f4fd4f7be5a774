using System.Runtime.InteropServices;
using Mamba.Models.Generation;
using Mamba.Operations;

namespace Mamba.Models.Serving;

/// <summary>
/// Generates many texts at once with one model: continuous batching. A request joins the others as soon as a slot is
/// free and leaves when its text ends; prompts are read in pieces between the steps of the others.
/// </summary>
/// <remarks>
/// One thread of the engine does all the work; every method may be called from any thread. Pieces of prompts take
/// turns, so that a short prompt does not wait for a long one. On a CPU every text has bitwise the tokens that
/// <see cref="MambaLanguageModel.GenerateAsync"/> gives with the same <see cref="EngineOptions.PrefillLength"/>,
/// whatever else is generated or was read before (with <see cref="EngineOptions.ExactPrefixes"/>). The method is that
/// of Orca: Yu et al., OSDI 2022.
/// <para>
/// Each request is an activity of the <see cref="System.Diagnostics.ActivitySource"/> "Mamba"; numbers of requests and
/// tokens, and times, are instruments of the <see cref="System.Diagnostics.Metrics.Meter"/> "Mamba".
/// </para>
/// </remarks>
/// <example>
/// <code>
/// await using MambaEngine engine = new(model, new() { Slots = 8 });
/// GenerationRequest first = engine.Submit(prompt, new() { MaxTokens = 50 });
/// GenerationRequest second = engine.Submit(new[] { 3, 1, 4 }, new() { MaxTokens = 20 });
/// IReadOnlyList&lt;int&gt; tokens = await second.ReadAllAsync();
/// </code>
/// </example>
public sealed class MambaEngine : IAsyncDisposable
{
    private readonly MambaLanguageModel _model;
    private readonly EngineOptions _options;
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _work = new(0);
    private readonly LinkedList<GenerationRequest> _waiting = [];
    private readonly List<GenerationRequest> _active = []; // in the order of their turns at reading
    private readonly Stack<int> _free = [];
    private readonly Queue<Task> _asked = []; // work for this thread
    private readonly PrefixCache _prefixes;
    private readonly ModelState _pool;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly float[] _logits;
    private readonly Likeliest[] _likeliest;
    private readonly EngineTelemetry _telemetry;
    private EngineStatistics _statistics;
    private bool _hasBegun; // whether the last piece was the first one of its prompt
    private volatile bool _isClosed;

    /// <summary>Starts an engine.</summary>
    /// <param name="model">The model, which must outlive the engine. It may be used elsewhere at the same time.</param>
    /// <param name="options">Limits; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    /// <exception cref="NotSupportedException">
    /// The model reads texts in both directions, so that it has no state.
    /// </exception>
    /// <exception cref="InsufficientMemoryException">The device has too little memory for the slots.</exception>
    public MambaEngine(MambaLanguageModel model, EngineOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        _options = options ?? new();
        _options.Validate();
        _model = model;
        _prefixes = new(_options.PrefixCacheBytes);
        _logits = new float[checked(_options.Slots * model.Config.PaddedVocabularySize)];
        _likeliest = new Likeliest[_options.Slots];
        for (int slot = _options.Slots - 1; slot >= 0; slot--)
        {
            _free.Push(slot);
        }

        _pool = model.CreateState(_options.Slots);
        _telemetry = new(this);
        new Thread(Run) { IsBackground = true, Name = nameof(MambaEngine) }.Start();
    }

    /// <summary>The model.</summary>
    public MambaLanguageModel Model => _model;

    /// <summary>What the engine has done, and is doing.</summary>
    public EngineStatistics Statistics
    {
        get
        {
            lock (_lock)
            {
                return _statistics with { Waiting = _waiting.Count };
            }
        }
    }

    /// <summary>Asks for a text.</summary>
    /// <param name="prompt">The tokens to read first, at least one.</param>
    /// <param name="options">
    /// Sampling and limits; null for the defaults. Prompts are read in pieces of the engine's length, not of theirs.
    /// </param>
    /// <param name="cancellation">Ends the request, also while its prompt is read, and frees its slot.</param>
    /// <returns>The request, whose tokens can be enumerated at once.</returns>
    /// <exception cref="ArgumentException">
    /// The prompt is empty or has an id outside the padded vocabulary, or an option is invalid.
    /// </exception>
    /// <exception cref="PromptTooLongException">The prompt has too many tokens.</exception>
    /// <exception cref="QueueFullException">Too many requests wait.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been disposed.</exception>
    public GenerationRequest Submit(
        ReadOnlyMemory<int> prompt, GenerationOptions? options = null, CancellationToken cancellation = default) =>
        Add(null, prompt, options, cancellation);

    /// <summary>Asks for what follows a text, with the state of a conversation.</summary>
    /// <param name="conversation">
    /// A conversation of the engine's model. If the text begins with its tokens, only the others are read; if it does
    /// not, all of them are. When the request has ended, the conversation is at the end of the text and of what was
    /// generated, also if the request was cancelled after the text had been read. In all other cases it is unchanged.
    /// Nobody else may use it before <see cref="GenerationRequest.Completion"/>.
    /// </param>
    /// <param name="text">All tokens of the text, at least one.</param>
    /// <param name="options">
    /// Sampling and limits; null for the defaults. Texts are read in pieces of the engine's length, not of theirs.
    /// </param>
    /// <param name="cancellation">Ends the request, also while the text is read, and frees its slot.</param>
    /// <returns>The request, whose tokens can be enumerated at once.</returns>
    /// <exception cref="ArgumentException">
    /// The conversation belongs to another model, the text is empty or has an id outside the padded vocabulary, or an
    /// option is invalid.
    /// </exception>
    /// <exception cref="PromptTooLongException">The text has too many tokens.</exception>
    /// <exception cref="QueueFullException">Too many requests wait.</exception>
    /// <exception cref="ObjectDisposedException">The engine has been disposed.</exception>
    public GenerationRequest Continue(
        Conversation conversation,
        ReadOnlyMemory<int> text,
        GenerationOptions? options = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(conversation);
        return conversation.Model == _model
            ? Add(conversation, text, options, cancellation)
            : throw new ArgumentException(
                "Expected a conversation of the engine's model; found one of another model.", nameof(conversation));
    }

    /// <summary>
    /// Runs work between two steps, on the engine's thread: what uses the model's device, where one thread at a time
    /// may, as on a GPU. The texts wait for it.
    /// </summary>
    /// <param name="work">The work.</param>
    /// <returns>Its result.</returns>
    /// <exception cref="ObjectDisposedException">The engine has been disposed.</exception>
    public Task<T> RunAsync<T>(Func<T> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        Task<T> asked = new(work);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            _asked.Enqueue(asked);
        }

        _work.Release();
        return asked;
    }

    private GenerationRequest Add(
        Conversation? conversation,
        ReadOnlyMemory<int> prompt,
        GenerationOptions? options,
        CancellationToken cancellation)
    {
        options ??= new();
        if (prompt.Length > _options.MaxPromptTokens)
        {
            throw new PromptTooLongException(prompt.Length, _options.MaxPromptTokens);
        }

        _model.RequirePrompt(prompt.Span, options);
        GenerationRequest request = new(prompt, options, _model.Config, conversation, cancellation);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            if (_waiting.Count >= _options.QueueLength + _free.Count)
            {
                throw new QueueFullException(_waiting.Count);
            }

            _waiting.AddLast(request);
            _statistics = _statistics with { PromptTokens = _statistics.PromptTokens + request.PromptTokens };
        }

        _work.Release();
        return request;
    }

    /// <summary>Ends all requests as cancelled, and frees the states.</summary>
    /// <returns>Completes when the engine's thread has ended.</returns>
    public ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _isClosed = true;
        }

        _work.Release();
        return new(_ended.Task);
    }

    /// <summary>The engine's thread: begins, reads, steps, ends, until there is nothing to do; then waits.</summary>
    private void Run()
    {
        Exception failure = new OperationCanceledException("The engine has been disposed.");
        try
        {
            while (!_isClosed)
            {
                if (!Turn())
                {
                    _work.Wait();
                }
            }
        }
        catch (Exception exception)
        {
            failure = exception; // no request may wait forever
        }
        finally
        {
            EndAll(failure);
            _prefixes.Dispose();
            _pool.Dispose();
            _telemetry.Dispose();
            _ended.TrySetResult();
        }
    }

    /// <summary>Reads one piece of one prompt, and steps all texts; false: there was nothing to do.</summary>
    private bool Turn()
    {
        Begin();
        while (TakeAsked() is { } asked)
        {
            asked.RunSynchronously();
        }

        foreach (GenerationRequest request in _active.Where(one => one.Cancellation.IsCancellationRequested).ToArray())
        {
            Guarded(request, () =>
            {
                if (request.IsGenerating)
                {
                    Settle(request, default);
                }

                End(request, new OperationCanceledException(request.Cancellation));
            });
        }

        if (_active.Count == 0)
        {
            return false;
        }

        // Every other piece may be the first one of a new prompt; the others take turns.
        GenerationRequest? reading =
            (_hasBegun ? null : _active.Find(request => request is { IsGenerating: false, State: null }))
            ?? _active.Find(request => !request.IsGenerating);
        if (reading is not null)
        {
            _hasBegun = reading.State is null;
            _active.Remove(reading);
            _active.Add(reading);
            Guarded(reading, () => ReadPiece(reading));
        }

        Step();
        return true;
    }

    private Task? TakeAsked()
    {
        lock (_lock)
        {
            return _asked.TryDequeue(out Task? asked) ? asked : null;
        }
    }

    /// <summary>Gives free slots to requests that wait, and ends those that were cancelled.</summary>
    private void Begin()
    {
        lock (_lock)
        {
            LinkedListNode<GenerationRequest>? next = _waiting.First;
            while (next is { Value: GenerationRequest request } node)
            {
                next = node.Next;
                bool isCancelled = request.Cancellation.IsCancellationRequested;
                if (isCancelled || request.Chooser.Finish is not null)
                {
                    _waiting.Remove(node);
                    _statistics = _statistics with { Finished = _statistics.Finished + 1 };
                    Tell(request, isCancelled ? new OperationCanceledException(request.Cancellation) : null);
                }
                else if (_free.TryPop(out int slot))
                {
                    _waiting.Remove(node);
                    request.Slot = slot;
                    _active.Add(request);
                }
            }

            _statistics = _statistics with { Active = _active.Count };
        }
    }

    /// <summary>Reads the next piece of a prompt; after the last one, chooses the first token.</summary>
    private void ReadPiece(GenerationRequest request)
    {
        ReadOnlySpan<int> prompt = CollectionsMarshal.AsSpan(request.Text);
        if (request.State is null)
        {
            request.State = _model.CreateState();
            if (ContinueFromConversation(request, prompt) && request.IsGenerating)
            {
                BeginSteps(request, request.Conversation!.Logits);
                return;
            }

            if (request.Read == 0)
            {
                ContinueFromPrefix(request, prompt);
            }
        }

        bool isBeforeFork = !_options.ExactPrefixes && request.Read < request.Fork;
        int end = isBeforeFork ? request.Fork : request.PromptTokens;
        int count = Math.Min(_options.PrefillLength, end - request.Read);
        Span<float> logits = _logits.AsSpan(0, _model.Config.PaddedVocabularySize);
        _model.Prefill(prompt.Slice(request.Read, count), request.State, logits, request.Cancellation);
        request.Read += count;
        if (request.CanBeKept && (request.Read == request.Fork || request.Read == LastToKeep(request.PromptTokens)))
        {
            Keep(prompt[..request.Read], request.State, 0);
        }

        if (request.IsGenerating)
        {
            BeginSteps(request, logits);
        }
    }

    /// <summary>Moves a state into the pool, and chooses the first token.</summary>
    private void BeginSteps(GenerationRequest request, ReadOnlySpan<float> logits)
    {
        _pool.CopySlot(request.Slot, request.State!, 0);
        request.State!.Dispose();
        request.State = null;
        Choose(request, logits, null);
    }

    /// <summary>Copies the state of the request's conversation, if the text begins with it.</summary>
    private bool ContinueFromConversation(GenerationRequest request, ReadOnlySpan<int> text)
    {
        if (request.Conversation is not { TokenSpan: { IsEmpty: false } known } conversation || !text.StartsWith(known))
        {
            return false;
        }

        request.State!.CopyFrom(conversation.State);
        (request.Read, request.CachedTokens) = (known.Length, known.Length);
        request.CanBeKept = !_options.ExactPrefixes; // its pieces were others
        Count(statistics => statistics with { CachedTokens = statistics.CachedTokens + request.CachedTokens });
        return true;
    }

    /// <summary>Leaves the text and its state to the request's conversation.</summary>
    private void Settle(GenerationRequest request, ReadOnlySpan<float> logits)
    {
        if (request.Conversation is not { } conversation)
        {
            return;
        }

        float[] last = new float[_model.Config.PaddedVocabularySize];
        logits.CopyTo(last);
        if (request.Read < request.Text.Count) // the last token was chosen, but not read
        {
            _model.Step([request.Text[^1]], _pool, last, StateSlots.Of(request.Slot));
            request.Read++;
        }

        conversation.Replace(request.Text, _pool, request.Slot, last, request.Chooser.Finish);
    }

    /// <summary>
    /// Copies the state of the longest known prefix, and notes where this prompt parts from known ones.
    /// </summary>
    private void ContinueFromPrefix(GenerationRequest request, ReadOnlySpan<int> prompt)
    {
        request.Fork = LastToKeep(_prefixes.CommonLength(prompt));
        (ModelState? known, int length) = _prefixes.Find(prompt, prompt.Length - 1);
        if (known is null)
        {
            return;
        }

        request.State!.CopyFrom(known);
        (request.Read, request.CachedTokens) = (length, length);
        Count(statistics => statistics with
        {
            CachedTokens = statistics.CachedTokens + length, PrefixHits = statistics.PrefixHits + 1,
        });
    }

    /// <summary>The last place, within some tokens, after which a state may be kept.</summary>
    private int LastToKeep(int tokens) =>
        _options.ExactPrefixes ? tokens / _options.PrefillLength * _options.PrefillLength : tokens;

    /// <summary>Reads the last token of every text that goes on, and chooses the next ones.</summary>
    private void Step()
    {
        GenerationRequest[] texts = [.. _active.Where(request => request.IsGenerating)];
        if (texts.Length == 0)
        {
            return;
        }

        int vocabulary = _model.Config.PaddedVocabularySize;
        int[] ids = Array.ConvertAll(texts, request => request.Text[^1]);
        StateSlots slots = StateSlots.Of(Array.ConvertAll(texts, request => request.Slot));
        bool areGreedy = Array.TrueForAll(
            texts, request => request.Chooser.IsGreedy && request.Conversation is null); // which needs the logits
        try
        {
            if (areGreedy)
            {
                _model.Step(ids, _pool, _likeliest.AsSpan(0, texts.Length), slots);
            }
            else
            {
                _model.Step(ids, _pool, _logits.AsSpan(0, texts.Length * vocabulary), slots);
            }
        }
        catch (Exception failure)
        {
            Array.ForEach(texts, request => End(request, failure));
            return;
        }

        for (int i = 0; i < texts.Length; i++)
        {
            GenerationRequest request = texts[i];
            int text = i;
            request.Read++;
            Guarded(request, () => Choose(
                request,
                areGreedy ? default : _logits.AsSpan(text * vocabulary, vocabulary),
                areGreedy ? _likeliest[text] : null));
        }
    }

    /// <summary>Chooses the next token, from its logits or the likeliest one that the device found.</summary>
    private void Choose(GenerationRequest request, ReadOnlySpan<float> logits, Likeliest? likeliest)
    {
        int before = request.Text.Count;
        if (likeliest is { } found)
        {
            request.Choose(found);
        }
        else
        {
            request.Choose(logits);
        }

        Count(statistics => statistics with
        {
            GeneratedTokens = statistics.GeneratedTokens + request.Text.Count - before,
        });
        if (before == request.PromptTokens)
        {
            _telemetry.First(request);
        }

        if (request.Chooser.Finish is not null)
        {
            if (!_options.ExactPrefixes)
            {
                // The next prompt of a conversation begins with this text.
                Keep(
                    CollectionsMarshal.AsSpan(request.Text)[..request.Read],
                    _pool,
                    request.Slot);
            }

            Settle(request, logits);
            End(request, null);
        }
    }

    /// <summary>Keeps the state of a text for prompts that begin with it.</summary>
    private void Keep(ReadOnlySpan<int> tokens, ModelState state, int slot)
    {
        _prefixes.Add(tokens, BytesOf(state), () => state.Clone(StateSlots.Of(slot)));
        Count(statistics => statistics with { PrefixCacheBytes = _prefixes.Bytes });
    }

    /// <summary>Memory of one text's state.</summary>
    private static long BytesOf(ModelState state) =>
        state.Layers.Sum(layer => layer.Arrays.Sum(array => (long)array.Shape.Count * sizeof(float) / state.Batch));

    /// <summary>Runs a part of the work of one request, which ends if it fails.</summary>
    private void Guarded(GenerationRequest request, Action work)
    {
        try
        {
            work();
        }
        catch (Exception failure)
        {
            End(request, failure);
        }
    }

    private void End(GenerationRequest request, Exception? failure)
    {
        request.State?.Dispose();
        request.State = null;
        if (_active.Remove(request))
        {
            lock (_lock)
            {
                _free.Push(request.Slot);
            }
        }

        Count(statistics => statistics with { Active = _active.Count, Finished = statistics.Finished + 1 });
        Tell(request, failure);
    }

    /// <summary>Tells whoever waits or observes that a request has ended.</summary>
    private void Tell(GenerationRequest request, Exception? failure)
    {
        _telemetry.End(request, failure);
        request.End(failure);
    }

    private void EndAll(Exception failure)
    {
        foreach (GenerationRequest request in _active.ToArray())
        {
            End(request, failure);
        }

        lock (_lock)
        {
            _isClosed = true;
            foreach (GenerationRequest request in _waiting)
            {
                Tell(request, failure);
            }

            _waiting.Clear();
        }

        while (TakeAsked() is { } asked)
        {
            asked.RunSynchronously(); // the device is still there
        }
    }

    private void Count(Func<EngineStatistics, EngineStatistics> change)
    {
        lock (_lock)
        {
            _statistics = change(_statistics);
        }
    }
}
