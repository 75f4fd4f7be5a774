namespace Mamba.Models;

/// <summary>Where published models are downloaded from and kept.</summary>
/// <remarks>
/// The defaults come from the environment variables of Hugging Face's own library, so that both share one cache:
/// <c>HF_ENDPOINT</c>, <c>HF_HUB_CACHE</c>, <c>HF_HOME</c>, <c>HF_TOKEN</c>, <c>HF_TOKEN_PATH</c> and
/// <c>HF_HUB_OFFLINE</c>.
/// </remarks>
/// <example>
/// <code>
/// using ModelHub hub = new(new() { CacheFolder = "models", IsOffline = true });
/// </code>
/// </example>
public sealed record ModelHubOptions
{
    /// <summary>The hub's address; <c>HF_ENDPOINT</c>, or https://huggingface.co.</summary>
    public Uri Endpoint { get; init; } = new(Read("HF_ENDPOINT") ?? "https://huggingface.co");

    /// <summary>
    /// The folder of the cache; <c>HF_HUB_CACHE</c>, or the folder hub in <c>HF_HOME</c>, which is
    /// ~/.cache/huggingface if it is not set.
    /// </summary>
    public string CacheFolder { get; init; } = Read("HF_HUB_CACHE") ?? Path.Combine(Home, "hub");

    /// <summary>
    /// The token for private and gated models; <c>HF_TOKEN</c>, or the content of the file <c>HF_TOKEN_PATH</c> or of
    /// token in <c>HF_HOME</c>. Null: none. It is sent to <see cref="Endpoint"/> alone.
    /// </summary>
    public string? Token { get; init; } = Read("HF_TOKEN") ?? ReadTokenFile();

    /// <summary>Whether only the cache is used; true if <c>HF_HUB_OFFLINE</c> is 1, ON, YES or TRUE.</summary>
    public bool IsOffline { get; init; } =
        Read("HF_HUB_OFFLINE")?.ToUpperInvariant() is "1" or "ON" or "YES" or "TRUE";

    /// <summary>How long the hub may send nothing before a request counts as failed.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often a request that failed is tried in all. A download continues where it was cut.</summary>
    public int Attempts { get; init; } = 5;

    /// <summary>The pause before the second attempt; each later one is twice as long.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(1);

    private static string Home => Read("HF_HOME") ?? Path.Combine(
        Read("XDG_CACHE_HOME") ?? Path.Combine(
            Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"),
        "huggingface");

    internal void Validate()
    {
        Setting.RequireNotNull(Endpoint, nameof(Endpoint), "an address");
        Setting.RequireNotNull(CacheFolder, nameof(CacheFolder), "a folder");
        Setting.Require(
            Endpoint.IsAbsoluteUri && Endpoint.Scheme is "http" or "https",
            nameof(Endpoint),
            "an http or https address",
            Endpoint);
        Setting.Require(CacheFolder.Length > 0, nameof(CacheFolder), "a folder", CacheFolder);
        Setting.Require(Timeout > TimeSpan.Zero, nameof(Timeout), "a time above 0", Timeout);
        Setting.Require(Attempts > 0, nameof(Attempts), "a number above 0", Attempts);
        Setting.Require(RetryDelay >= TimeSpan.Zero, nameof(RetryDelay), "a time of 0 or more", RetryDelay);
    }

    private static string? Read(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;

    private static string? ReadTokenFile()
    {
        string file = Read("HF_TOKEN_PATH") ?? Path.Combine(Home, "token");
        return File.Exists(file) && File.ReadAllText(file).Trim() is { Length: > 0 } token ? token : null;
    }

    /// <summary>The options without the token, which belongs in no log.</summary>
    public override string ToString() =>
        $"{Endpoint}, cache {CacheFolder}{(IsOffline ? ", offline" : "")}{(Token is null ? "" : ", with a token")}";
}

/// <summary>The progress of a download.</summary>
/// <param name="File">The file that is being downloaded.</param>
/// <param name="Bytes">Bytes of all files that are in the cache so far.</param>
/// <param name="TotalBytes">Bytes of all files.</param>
public readonly record struct HubProgress(string File, long Bytes, long TotalBytes);
