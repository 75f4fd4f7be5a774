using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Mamba.Models.Hub;

/// <summary>The hub's HTTP interface.</summary>
/// <remarks>
/// Hugging Face, "Hub API endpoints": https://huggingface.co/docs/hub/api. A file's address answers with its commit,
/// ETag and size, and redirects to where the content of large files is kept.
/// </remarks>
internal sealed class HubClient : IDisposable
{
    private const int MostRedirects = 10;

    private readonly ModelHubOptions _options;
    private readonly HttpClient _http;

    public HubClient(ModelHubOptions options)
    {
        _options = options;

        // Redirects are followed here, because the token must not go to another host.
        _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = options.Timeout })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        _http.DefaultRequestHeaders.UserAgent.Add(
            new("mamba-dotnet", typeof(HubClient).Assembly.GetName().Version?.ToString(3) ?? "1.0.0"));
    }

    /// <summary>Lists a repository.</summary>
    public async Task<(string Commit, IReadOnlyList<string> Files)> ListAsync(
        HubName name, CancellationToken cancellation)
    {
        Uri address = Address($"api/models/{name.Repository}/revision/{Uri.EscapeDataString(name.Revision)}");
        using HttpResponseMessage response =
            await SendAsync(name, address, HttpMethod.Get, null, cancellation).ConfigureAwait(false);
        try
        {
            using JsonDocument document = JsonDocument.Parse(
                await response.Content.ReadAsByteArrayAsync(cancellation).ConfigureAwait(false));
            string commit = document.RootElement.GetProperty("sha").GetString() ?? "";
            string[] files = [.. document.RootElement.GetProperty("siblings").EnumerateArray()
                .Select(file => file.GetProperty("rfilename").GetString() ?? "")];
            if (HubCache.IsCommit(commit) && files.All(IsSafe))
            {
                return (commit, files);
            }
        }
        catch (Exception exception)
            when (exception is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            // Reported below.
        }

        throw new InvalidDataException(
            $"{address}: expected a repository's commit and files as JSON; found something else.");
    }

    /// <summary>Asks for the ETag and the size of a file.</summary>
    public async Task<HubFile> FileAsync(
        HubName name, string commit, string file, CancellationToken cancellation)
    {
        Uri address = AddressOf(name, commit, file);
        using HttpResponseMessage response =
            await SendAsync(name, address, HttpMethod.Head, null, cancellation).ConfigureAwait(false);
        string etag = (Header(response, "X-Linked-ETag") ?? Header(response, "ETag") ?? "").Trim();
        etag = (etag.StartsWith("W/", StringComparison.Ordinal) ? etag[2..] : etag).Trim('"');
        long? size = long.TryParse(Header(response, "X-Linked-Size"), out long linked)
            ? linked
            : response.Content.Headers.ContentLength;
        return size is { } bytes && etag.Length is > 0 and <= 128 && etag.All(char.IsAsciiLetterOrDigit)
            ? new(file, etag.ToLowerInvariant(), bytes)
            : throw new InvalidDataException(
                $"{address}: expected an ETag and a size; found the ETag \"{etag}\" and the size " +
                $"{size?.ToString(CultureInfo.InvariantCulture) ?? "none"}.");
    }

    /// <summary>Starts to download a file from some byte on.</summary>
    public Task<HttpResponseMessage> DownloadAsync(
        HubName name, string commit, string file, long start, CancellationToken cancellation) =>
        SendAsync(name, AddressOf(name, commit, file), HttpMethod.Get, start > 0 ? start : null, cancellation);

    public void Dispose() => _http.Dispose();

    /// <summary>Whether a failure may pass, so that another attempt is worth it.</summary>
    public static bool IsPassing(Exception exception) => exception switch
    {
        HttpRequestException { StatusCode: { } status } =>
            (int)status >= 500 || status is HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout,
        HttpRequestException or HttpIOException or TimeoutException => true,
        _ => false,
    };

    private static bool IsSafe(string file) =>
        file.Length > 0 && file[0] != '/' && !file.Contains('\\') && !file.Contains(':')
        && file.Split('/').All(part => part is not ("" or "." or ".."));

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.First() : null;

    private Uri AddressOf(HubName name, string commit, string file) => Address(
        $"{name.Repository}/resolve/{commit}/{string.Join('/', file.Split('/').Select(Uri.EscapeDataString))}");

    private Uri Address(string path) => new($"{_options.Endpoint.AbsoluteUri.TrimEnd('/')}/{path}");

    /// <summary>Sends a request and follows redirects; for HEAD, those within the hub alone.</summary>
    private async Task<HttpResponseMessage> SendAsync(
        HubName name, Uri address, HttpMethod method, long? start, CancellationToken cancellation)
    {
        for (int redirects = 0; redirects <= MostRedirects; redirects++)
        {
            using HttpRequestMessage request = new(method, address);
            bool isHub = address.Authority == _options.Endpoint.Authority && address.Scheme == _options.Endpoint.Scheme;
            if (isHub && _options.Token is { } token)
            {
                request.Headers.Authorization = new("Bearer", token);
            }

            request.Headers.Range = start is { } from ? new RangeHeaderValue(from, null) : null;
            HttpResponseMessage response = await ReplyAsync(request, cancellation).ConfigureAwait(false);
            if ((int)response.StatusCode is >= 300 and < 400 && response.Headers.Location is { } location)
            {
                Uri next = new(address, location);
                if (method == HttpMethod.Head && next.Authority != address.Authority)
                {
                    return response; // the content's own place has another ETag
                }

                response.Dispose();
                address = next.Scheme == Uri.UriSchemeHttps || next.Scheme == address.Scheme
                    ? next
                    : throw new HttpRequestException($"{address} redirects to {next}, which is not encrypted.");
                continue;
            }

            if (response.IsSuccessStatusCode || response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
            {
                return response;
            }

            using (response)
            {
                throw Refusal(name, address, response);
            }
        }

        throw new HttpRequestException($"{address}: more than {MostRedirects} redirects.");
    }

    private async Task<HttpResponseMessage> ReplyAsync(HttpRequestMessage request, CancellationToken cancellation)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(_options.Timeout);
        try
        {
            return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limit.Token)
                .ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException(
                $"{request.RequestUri} has sent nothing for {_options.Timeout.TotalSeconds:0.#} s.");
        }
        catch (HttpRequestException exception)
        {
            string host = request.RequestUri!.GetLeftPart(UriPartial.Authority);
            throw new HttpRequestException($"{host} cannot be reached: {exception.Message}", exception);
        }
    }

    private HttpRequestException Refusal(HubName name, Uri address, HttpResponseMessage response)
    {
        string token = _options.Token is null
            ? "No token is given; HF_TOKEN sets one"
            : "The token has no access to it";
        string reason = response.StatusCode switch
        {
            HttpStatusCode.Unauthorized => $"there is no model {name.Repository}, or it is private or gated. {token}",
            HttpStatusCode.Forbidden =>
                $"{name.Repository} is gated: accept its conditions at {Address(name.Repository)}. {token}",
            HttpStatusCode.NotFound when Header(response, "X-Error-Code") == "RevisionNotFound" =>
                $"{name.Repository} has no revision {name.Revision}",
            HttpStatusCode.NotFound => $"there is no {address.AbsolutePath.TrimStart('/')}",
            HttpStatusCode.TooManyRequests => "too many requests; try again later, or with a token",
            _ => $"the answer is {(int)response.StatusCode} {response.ReasonPhrase}",
        };
        return new($"{address.Authority}: {reason}.", null, response.StatusCode);
    }
}

/// <summary>A file of a repository.</summary>
/// <param name="Name">Its path in the repository.</param>
/// <param name="ETag">
/// The SHA-256 of a large file; of others the SHA-1 that Git names the content by, which includes its length.
/// </param>
/// <param name="Bytes">Its length.</param>
internal sealed record HubFile(string Name, string ETag, long Bytes);
