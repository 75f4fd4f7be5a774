using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Mamba.Checkpoints;
using Mamba.Models.Generation;

namespace Mamba.Models;

/// <summary>
/// A text that a model has read and continues: its tokens, the model's state after them, and the logits of the next
/// one. It can be forked, rewound, saved, and loaded in another process.
/// </summary>
/// <remarks>
/// A state cannot be cut back to fewer tokens, so a fork serves as a snapshot: <see cref="Fork"/> before a turn,
/// <see cref="Rewind"/> to undo it. Forks and files have the same size whatever the number of tokens, but for 4 bytes a
/// token, unless layers store tokens, as attention does.
/// <para>A call that fails leaves the conversation unchanged. Only one thread at a time may use it.</para>
/// </remarks>
/// <example>
/// <code>
/// using Conversation conversation = new(model);
/// conversation.Append(tokenizer.Encode("Once upon a time"));
/// using Conversation start = conversation.Fork();
/// await foreach (int token in conversation.GenerateAsync(new() { MaxTokens = 50 }))
/// {
///     Console.Write($"{token} ");
/// }
///
/// conversation.Save("story.mamba"); // Conversation.Load(model, "story.mamba") continues it
/// conversation.Rewind(start);
/// </code>
/// </example>
public sealed class Conversation : IDisposable
{
    private const int PieceLength = 2048; // as GenerationOptions.PrefillLength

    private readonly List<int> _tokens;
    private float[] _logits;

    /// <summary>Begins a conversation without tokens.</summary>
    /// <param name="model">The model, which must outlive the conversation. Others may use it at the same time.</param>
    /// <exception cref="NotSupportedException">The model reads texts in both directions: it has no state.</exception>
    public Conversation(MambaLanguageModel model)
        : this(Required(model), model.CreateState(), [], new float[model.Config.PaddedVocabularySize])
    {
    }

    internal Conversation(MambaLanguageModel model, ModelState state, List<int> tokens, float[] logits)
    {
        Model = model;
        State = state;
        _tokens = tokens;
        _logits = logits;
    }

    /// <summary>The model.</summary>
    public MambaLanguageModel Model { get; }

    /// <summary>All tokens: those that were appended and those that were generated.</summary>
    public IReadOnlyList<int> Tokens => _tokens;

    /// <summary>Why the last generation ended; null: there was none, or it did not come to its end.</summary>
    public FinishReason? Finish { get; private set; }

    /// <summary>Memory of the state in bytes. It does not grow with the text, unless layers store tokens.</summary>
    public long StateBytes =>
        State.Layers.Sum(layer => layer.Arrays.Sum(array => (long)array.Shape.Count * sizeof(float)));

    internal ModelState State { get; }

    internal ReadOnlySpan<int> TokenSpan => CollectionsMarshal.AsSpan(_tokens);

    /// <summary>Logits of the next token, shape [paddedVocabularySize]; zeros if there are no tokens.</summary>
    internal ReadOnlySpan<float> Logits => _logits;

    /// <summary>Reads tokens.</summary>
    /// <param name="tokens">The tokens, which follow the ones that are there.</param>
    /// <param name="cancellation">Cancels reading; checked between layers.</param>
    /// <exception cref="ArgumentException">An id lies outside the padded vocabulary.</exception>
    /// <exception cref="OperationCanceledException">Reading was cancelled.</exception>
    public void Append(ReadOnlySpan<int> tokens, CancellationToken cancellation = default)
    {
        if (!tokens.IsEmpty)
        {
            float[] logits = new float[_logits.Length];
            _tokens.EnsureCapacity(_tokens.Count + tokens.Length);
            Model.ReadPrompt(tokens, PieceLength, State, isShared: true, logits, cancellation);
            _logits = logits;
            _tokens.AddRange(tokens);
        }
    }

    /// <summary>Generates the tokens that follow, one at a time, and appends each of them.</summary>
    /// <param name="options">
    /// Sampling and limits; null for the defaults. The repetition penalty counts all tokens of the conversation.
    /// </param>
    /// <param name="cancellation">Cancels generation; checked before every token.</param>
    /// <returns>The generated tokens, as a stream. A stop token is not one of them, and is not appended.</returns>
    /// <exception cref="ArgumentException">An option is invalid.</exception>
    /// <exception cref="InvalidOperationException">
    /// There are no tokens yet, or the conversation was changed between two tokens.
    /// </exception>
    /// <exception cref="OperationCanceledException">Generation was cancelled. The tokens so far stay.</exception>
    /// <remarks>
    /// The tokens are those that <see cref="MambaLanguageModel.GenerateAsync"/> gives after the same pieces of text.
    /// They are computed on the thread that requests the next one.
    /// </remarks>
    public IAsyncEnumerable<int> GenerateAsync(
        GenerationOptions? options = null, CancellationToken cancellation = default) =>
        GeneratedTokens.IdsOf(GenerateTokensAsync(options, cancellation), cancellation);

    /// <summary>
    /// Generates the tokens that follow, one at a time, with <see cref="GenerationOptions.LogProbabilities"/>, and
    /// appends each of them.
    /// </summary>
    /// <inheritdoc cref="GenerateAsync" path="/*[not(self::summary)]"/>
    public IAsyncEnumerable<GeneratedToken> GenerateTokensAsync(
        GenerationOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new();
        options.Validate();
        options.Sampling.RequireTokensBelow(Model.Config.VocabularySize);
        return _tokens.Count > 0
            ? GenerateCheckedAsync(options, cancellation)
            : throw new InvalidOperationException(
                "Expected a conversation of at least one token; found none. Append the prompt first.");
    }

    private async IAsyncEnumerable<GeneratedToken> GenerateCheckedAsync(
        GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellation)
    {
        Finish = null;
        TokenChooser chooser = new(TokenSpan, options, Model.Config);
        long version = State.Version;
        while (chooser.Finish is null)
        {
            cancellation.ThrowIfCancellationRequested();
            MambaLanguageModel.RequireUnchanged(State, version);
            if (chooser.Next(_logits) is { } token)
            {
                Model.Step([token.Id], State, _logits);
                _tokens.Add(token.Id);
                version = State.Version;
                Finish = chooser.Finish;
                yield return token;
                await Task.CompletedTask.ConfigureAwait(false);
            }
        }

        Finish = chooser.Finish;
    }

    /// <summary>Makes an equal conversation with its own memory. The two continue independently.</summary>
    /// <returns>The copy; the caller disposes it.</returns>
    /// <exception cref="ObjectDisposedException">The conversation has been disposed.</exception>
    public Conversation Fork() => new(Model, State.Clone(), [.. _tokens], [.. _logits]) { Finish = Finish };

    /// <summary>Goes back to what a fork has kept. The fork stays, so one can go back to it again.</summary>
    /// <param name="earlier">A conversation of the same model, mostly a fork of this one.</param>
    /// <exception cref="ArgumentException">The other conversation belongs to another model.</exception>
    public void Rewind(Conversation earlier)
    {
        ArgumentNullException.ThrowIfNull(earlier);
        if (earlier.Model != Model)
        {
            throw new ArgumentException(
                "Expected a conversation of the same model; found one of another model.", nameof(earlier));
        }

        if (earlier != this)
        {
            State.CopyFrom(earlier.State);
            _logits = [.. earlier._logits];
            _tokens.Clear();
            _tokens.AddRange(earlier._tokens);
            Finish = earlier.Finish;
        }
    }

    /// <summary>Takes over a text and its state from a slot of a pool.</summary>
    internal void Replace(List<int> text, ModelState pool, int slot, float[] logits, FinishReason? finish)
    {
        State.CopySlot(0, pool, slot);
        _logits = logits;
        _tokens.Clear();
        _tokens.AddRange(text);
        Finish = finish;
    }

    /// <summary>Writes the conversation: tokens, logits, state, and checksums of all of them.</summary>
    /// <param name="stream">The stream to write to.</param>
    /// <exception cref="ObjectDisposedException">The conversation has been disposed.</exception>
    public void Save(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ConversationFile.Write(this, stream);
    }

    /// <summary>Writes the conversation to a file, which is replaced once the new one is whole.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <exception cref="ObjectDisposedException">The conversation has been disposed. The file stays.</exception>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        AtomicFile.Write(path, length: 0, Save);
    }

    /// <summary>Reads a conversation that was saved with the same model.</summary>
    /// <param name="model">The model, of the same sizes and weights; it may have another precision or device.</param>
    /// <param name="stream">The stream to read from.</param>
    /// <returns>The conversation; the caller disposes it.</returns>
    /// <exception cref="InvalidDataException">
    /// The data are not a conversation, belong to another version or model, or are truncated or damaged.
    /// </exception>
    public static Conversation Load(MambaLanguageModel model, Stream stream)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(stream);
        return ConversationFile.Read(model, stream);
    }

    /// <summary>Reads a conversation from a file.</summary>
    /// <param name="model">The model, of the same sizes and weights; it may have another precision or device.</param>
    /// <param name="path">The file.</param>
    /// <returns>The conversation; the caller disposes it.</returns>
    /// <exception cref="InvalidDataException">
    /// The file is not a conversation, belongs to another version or model, or is truncated or damaged.
    /// </exception>
    public static Conversation Load(MambaLanguageModel model, string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using FileStream file = File.OpenRead(path);
        return Load(model, file);
    }

    /// <summary>Frees the state.</summary>
    public void Dispose() => State.Dispose();

    private static MambaLanguageModel Required(MambaLanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model;
    }
}
