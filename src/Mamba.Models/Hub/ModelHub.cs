using System.Net;
using System.Security.Cryptography;
using System.Text;
using Mamba.Models.Hub;

namespace Mamba.Models;

/// <summary>Downloads published models from Hugging Face's hub into the cache that its own library uses.</summary>
/// <remarks>
/// A file is complete when its length and its hash are those that the hub names; until then it is a blob that ends in
/// .incomplete, which the next download continues. A mirror whose ETags are neither SHA-256 nor SHA-1 names no hash,
/// and then the length alone is checked. Several processes can download at once: each file is downloaded by
/// one of them, and the others wait for it.
/// </remarks>
/// <example>
/// <code>
/// using ModelHub hub = new();
/// string folder = await hub.DownloadAsync("state-spaces/mamba-130m-hf");
/// using CpuDevice device = new();
/// using MambaLanguageModel model = MambaLanguageModel.Load(folder, device);
/// </code>
/// </example>
public sealed class ModelHub : IDisposable
{
    private const int PieceBytes = 1 << 20;

    private readonly ModelHubOptions _options;
    private readonly HubClient _client;

    /// <summary>Prepares downloads; nothing is sent yet.</summary>
    /// <param name="options">The hub and the cache; null: as the environment says.</param>
    public ModelHub(ModelHubOptions? options = null)
    {
        _options = options ?? new();
        _options.Validate();
        _client = new(_options);
    }

    /// <summary>Whether a text has the form of a name on the hub, such as org/name.</summary>
    public static bool IsName(string text) => HubName.Fits(text);

    /// <summary>Finds a model in the cache, without a connection.</summary>
    /// <param name="model">The model's name, as for <see cref="DownloadAsync"/>.</param>
    /// <returns>The folder or the GGUF file; null if the cache lacks a file of it.</returns>
    /// <exception cref="ArgumentException">This is no name.</exception>
    public string? FindInCache(string model)
    {
        HubName name = HubName.Parse(model);
        HubCache cache = new(_options.CacheFolder, name);
        if (cache.Commit is not { } commit)
        {
            return null;
        }

        try
        {
            IReadOnlyList<string> files = cache.FilesOf(commit);
            (IReadOnlyList<string> chosen, string? gguf) = HubFiles.Select(files, name);
            return HubFiles.AreWhole(chosen, file => File.ReadAllText(cache.FileOf(commit, file)))
                ? PathOf(cache, commit, gguf)
                : null;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Downloads what the cache lacks of a model.</summary>
    /// <param name="model">
    /// The model: organisation/name, then optionally @ and a branch, tag or commit, then optionally : and a GGUF file
    /// or a part of its name, such as Q4_K_M. Without it, a folder with config.json and weights is preferred, then the
    /// only GGUF file, then Q4_K_M.
    /// </param>
    /// <param name="progress">Is told of every megabyte; null: nobody.</param>
    /// <param name="cancellation">Ends the download; what has been downloaded is kept.</param>
    /// <returns>The folder or the GGUF file, which <see cref="MambaLanguageModel.Load"/> takes.</returns>
    /// <exception cref="ArgumentException">This is no name.</exception>
    /// <exception cref="HttpRequestException">
    /// The hub cannot be reached, or refuses the model; the message says why. If it cannot be reached and the cache has
    /// the model, that is returned instead.
    /// </exception>
    /// <exception cref="TimeoutException">
    /// The hub has sent nothing for <see cref="ModelHubOptions.Timeout"/>.
    /// </exception>
    /// <exception cref="FileNotFoundException">
    /// The repository has no such model; or <see cref="ModelHubOptions.IsOffline"/> is set and the cache lacks it.
    /// </exception>
    /// <exception cref="InvalidDataException">What was downloaded has another hash than the hub names.</exception>
    /// <exception cref="IOException">The disk is full, or a file cannot be written.</exception>
    public async Task<string> DownloadAsync(
        string model, IProgress<HubProgress>? progress = null, CancellationToken cancellation = default)
    {
        HubName name = HubName.Parse(model);
        if (_options.IsOffline)
        {
            return FindInCache(model) ?? throw new FileNotFoundException(
                $"{model} is not in the cache {_options.CacheFolder}, and downloads are switched off (offline).");
        }

        HubCache cache = new(_options.CacheFolder, name);
        string commit;
        IReadOnlyList<string> all;
        try
        {
            (commit, all) = await Retry(() => _client.ListAsync(name, cancellation), cancellation)
                .ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is HttpRequestException { StatusCode: null } or TimeoutException)
        {
            if (FindInCache(model) is { } cached)
            {
                return cached;
            }

            throw;
        }

        (IReadOnlyList<string> chosen, string? gguf) = HubFiles.Select(all, name);
        List<HubFile> missing = [];
        long done = 0, total = 0;
        foreach (string file in chosen)
        {
            if (File.Exists(cache.FileOf(commit, file)))
            {
                continue;
            }

            HubFile found = await Retry(() => _client.FileAsync(name, commit, file, cancellation), cancellation)
                .ConfigureAwait(false);
            missing.Add(found);
            total += found.Bytes;
        }

        foreach (HubFile file in missing)
        {
            using (await cache.LockAsync(file.ETag, cancellation).ConfigureAwait(false))
            {
                if (!File.Exists(cache.Blob(file.ETag)))
                {
                    Report report = new(progress, file.Name, done, total);
                    await DownloadBlob(name, commit, file, cache.Blob(file.ETag), report, cancellation)
                        .ConfigureAwait(false);
                }

                if (!File.Exists(cache.FileOf(commit, file.Name)))
                {
                    cache.Link(commit, file.Name, file.ETag);
                }
            }

            done += file.Bytes;
            progress?.Report(new(file.Name, done, total));
        }

        cache.Remember(commit);
        return PathOf(cache, commit, gguf);
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    private static string PathOf(HubCache cache, string commit, string? gguf) =>
        gguf is null ? cache.Snapshot(commit) : cache.FileOf(commit, gguf);

    private async Task DownloadBlob(
        HubName name, string commit, HubFile file, string blob, Report report, CancellationToken cancellation)
    {
        string partial = $"{blob}.incomplete";
        bool isResumed = File.Exists(partial);
        while (true)
        {
            await Retry<bool>(
                async () =>
                {
                    await Continue(name, commit, file, partial, report, cancellation).ConfigureAwait(false);
                    return true;
                },
                cancellation).ConfigureAwait(false);
            string found = await HashOf(partial, file.ETag, cancellation).ConfigureAwait(false);
            if (found == file.ETag || file.ETag.Length is not (40 or 64))
            {
                File.Move(partial, blob, overwrite: true);
                return;
            }

            File.Delete(partial);
            if (!isResumed)
            {
                throw new InvalidDataException(
                    $"{name.Repository}: {file.Name} was damaged on the way: expected the hash {file.ETag}, found " +
                    $"{found}.");
            }

            isResumed = false; // an earlier part may have been damaged: once more, from the start
        }
    }

    /// <summary>Downloads what a partial file lacks.</summary>
    private async Task Continue(
        HubName name, string commit, HubFile file, string partial, Report report, CancellationToken cancellation)
    {
        using FileStream target = new(partial, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, 1);
        if (target.Length > file.Bytes)
        {
            target.SetLength(0);
        }

        if (target.Length == file.Bytes)
        {
            return;
        }

        using HttpResponseMessage response =
            await _client.DownloadAsync(name, commit, file.Name, target.Length, cancellation).ConfigureAwait(false);
        if (response.StatusCode != HttpStatusCode.PartialContent
            || response.Content.Headers.ContentRange?.From != target.Length)
        {
            target.SetLength(0); // the whole file, though a part was asked for
        }

        target.Position = target.Length;
        using Stream source = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        byte[] piece = new byte[PieceBytes];
        while (await ReadAsync(source, piece, name, cancellation).ConfigureAwait(false) is var count && count > 0)
        {
            if (target.Length + count > file.Bytes)
            {
                throw new InvalidDataException(
                    $"{name.Repository}: {file.Name} should have {file.Bytes:N0} bytes; the hub sends more.");
            }

            await target.WriteAsync(piece.AsMemory(0, count), cancellation).ConfigureAwait(false);
            report.At(target.Length);
        }

        if (target.Length < file.Bytes)
        {
            throw new HttpIOException(
                HttpRequestError.ResponseEnded,
                $"{name.Repository}: the connection was cut after {target.Length:N0} of the {file.Bytes:N0} bytes of " +
                $"{file.Name}.");
        }
    }

    private async Task<int> ReadAsync(Stream source, byte[] piece, HubName name, CancellationToken cancellation)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_options.Timeout);
        try
        {
            return await source.ReadAsync(piece, limit.Token).ConfigureAwait(false);
        }
        catch (IOException exception)
        {
            throw new HttpIOException(
                HttpRequestError.ResponseEnded,
                $"{name.Repository}: the connection was cut: {exception.Message}",
                exception);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException(
                $"{name.Repository}: the hub has sent nothing for {_options.Timeout.TotalSeconds:0.#} s.");
        }
    }

    /// <summary>The hash of a file of the kind of an ETag: SHA-256 of the content, or Git's SHA-1 of a blob.</summary>
    private static async Task<string> HashOf(string file, string etag, CancellationToken cancellation)
    {
        using FileStream stream = File.OpenRead(file);
        bool isGit = etag.Length == 40;
        using IncrementalHash hash =
            IncrementalHash.CreateHash(isGit ? HashAlgorithmName.SHA1 : HashAlgorithmName.SHA256);
        if (isGit)
        {
            hash.AppendData(Encoding.ASCII.GetBytes($"blob {stream.Length}\0"));
        }

        byte[] piece = new byte[PieceBytes];
        while (await stream.ReadAsync(piece, cancellation).ConfigureAwait(false) is var count && count > 0)
        {
            hash.AppendData(piece, 0, count);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Tries a request again after a failure that may pass.</summary>
    private async Task<T> Retry<T>(Func<Task<T>> request, CancellationToken cancellation)
    {
        TimeSpan pause = _options.RetryDelay;
        for (int attempt = 1; ; attempt++, pause *= 2)
        {
            try
            {
                return await request().ConfigureAwait(false);
            }
            catch (Exception exception) when (attempt < _options.Attempts && HubClient.IsPassing(exception))
            {
                await Task.Delay(pause, cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Reports the progress of one file.</summary>
    private readonly record struct Report(IProgress<HubProgress>? Progress, string File, long Before, long Total)
    {
        public void At(long bytes) => Progress?.Report(new(File, Before + bytes, Total));
    }
}
