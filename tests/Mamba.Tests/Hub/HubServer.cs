using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Mamba.Tests.Hub;

/// <summary>
/// A server on this machine that answers as the hub does: lists, ETags, redirects of large files to a second server,
/// byte ranges; and that fails in the ways that a test asks for.
/// </summary>
internal sealed class HubServer : IDisposable
{
    public const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private readonly HttpListener _hub = Listen(out int _), _content;
    private readonly ConcurrentQueue<string> _requests = new();

    public HubServer()
    {
        Address = new(_hub.Prefixes.Single());
        _content = Listen(out int port);
        ContentAddress = $"http://127.0.0.1:{port}/";
        Serve(_hub, AnswerAsync);
        Serve(_content, context => SendAsync(context, context.Request.Url!.AbsolutePath.TrimStart('/')));
    }

    public Uri Address { get; }

    /// <summary>The files of the only repository, org/name. Those above 100 bytes are large.</summary>
    public Dictionary<string, byte[]> Files { get; } = [];

    /// <summary>The token that requests must have; null: none.</summary>
    public string? Token { get; set; }

    /// <summary>The status of the next requests, before anything else.</summary>
    public Queue<HttpStatusCode> Refusals { get; } = new();

    /// <summary>How many bytes of a large file are sent before the connection is cut, for the next ones.</summary>
    public Queue<int> Cuts { get; } = new();

    public bool IgnoresRanges { get; set; }

    /// <summary>What is sent in place of a large file's content.</summary>
    public byte[]? Damaged { get; set; }

    /// <summary>Whether large files never arrive.</summary>
    public bool IsSilent { get; set; }

    /// <summary>Requests so far: the method, the path, and the first byte of the range.</summary>
    public IReadOnlyList<string> Requests => [.. _requests];

    /// <summary>Whether the token has reached the server of large files.</summary>
    public bool ContentSawToken { get; private set; }

    private string ContentAddress { get; }

    public void Dispose()
    {
        _hub.Close();
        _content.Close();
    }

    public static string ETagOf(byte[] content)
    {
        bool isLarge = IsLarge(content);
        using IncrementalHash hash =
            IncrementalHash.CreateHash(isLarge ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
        hash.AppendData(isLarge ? [] : Encoding.ASCII.GetBytes($"blob {content.Length}\0"));
        hash.AppendData(content);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static bool IsLarge(byte[] content) => content.Length > 100;

    private static HttpListener Listen(out int port)
    {
        while (true)
        {
            using (TcpListener free = new(IPAddress.Loopback, 0))
            {
                free.Start();
                port = ((IPEndPoint)free.LocalEndpoint).Port;
            }

            HttpListener listener = new();
            listener.Prefixes.Add($"http://127.0.0.1:{port}/");
            try
            {
                listener.Start();
                return listener;
            }
            catch (HttpListenerException)
            {
                // Another process was faster; another port.
            }
        }
    }

    private static async void Serve(HttpListener listener, Func<HttpListenerContext, Task> answer)
    {
        try
        {
            while (true)
            {
                HttpListenerContext context = await listener.GetContextAsync();
                _ = Task.Run(async () =>
                {
                    try
                    {
                        await answer(context);
                        context.Response.Close();
                    }
                    catch (Exception exception) when (exception is HttpListenerException or IOException
                        or ObjectDisposedException or InvalidOperationException)
                    {
                        context.Response.Abort(); // the client has gone
                    }
                });
            }
        }
        catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException)
        {
            // The server has been disposed.
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        (HttpListenerRequest request, HttpListenerResponse response) = (context.Request, context.Response);
        string path = request.Url!.AbsolutePath;
        _requests.Enqueue($"{request.HttpMethod} {path}");
        if (Refusals.TryDequeue(out HttpStatusCode refusal))
        {
            response.StatusCode = (int)refusal;
        }
        else if (Token is not null && request.Headers["Authorization"] != $"Bearer {Token}")
        {
            response.StatusCode = 401;
            response.Headers["X-Error-Code"] = "RepoNotFound";
        }
        else if (path == "/api/models/org/name/revision/main" || path == $"/api/models/org/name/revision/{Commit}")
        {
            object list = new { sha = Commit, siblings = Files.Keys.Select(name => new { rfilename = name }) };
            await response.OutputStream.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(list));
        }
        else if (path.StartsWith("/api/models/org/name/", StringComparison.Ordinal))
        {
            response.StatusCode = 404;
            response.Headers["X-Error-Code"] = "RevisionNotFound";
        }
        else if (path.Split($"/org/name/resolve/{Commit}/") is ["", string name]
            && Files.TryGetValue(name, out byte[]? content))
        {
            response.Headers["X-Repo-Commit"] = Commit;
            if (IsLarge(content))
            {
                response.StatusCode = 302;
                response.RedirectLocation = ContentAddress + name;
                response.Headers["X-Linked-ETag"] = $"\"{ETagOf(content)}\"";
                response.Headers["X-Linked-Size"] = content.Length.ToString(CultureInfo.InvariantCulture);
            }
            else
            {
                response.Headers["ETag"] = $"\"{ETagOf(content)}\"";
                response.ContentLength64 = content.Length;
                if (request.HttpMethod == "GET")
                {
                    await response.OutputStream.WriteAsync(content);
                }
            }
        }
        else
        {
            response.StatusCode = 404;
        }
    }

    private async Task SendAsync(HttpListenerContext context, string name)
    {
        (HttpListenerRequest request, HttpListenerResponse response) = (context.Request, context.Response);
        ContentSawToken |= request.Headers["Authorization"] is not null;
        string? range = request.Headers["Range"];
        _requests.Enqueue($"{request.HttpMethod} content {name}{(range is null ? "" : $" {range}")}");
        byte[] content = Damaged ?? Files[name];
        int start = range is null || IgnoresRanges
            ? 0
            : int.Parse(range.Split('=', '-')[1], CultureInfo.InvariantCulture);
        if (start > 0)
        {
            response.StatusCode = 206;
            response.Headers["Content-Range"] = $"bytes {start}-{content.Length - 1}/{content.Length}";
        }

        response.ContentLength64 = content.Length - start;
        if (IsSilent)
        {
            await response.OutputStream.FlushAsync();
            await Task.Delay(Timeout.Infinite);
        }

        if (Cuts.TryDequeue(out int cut))
        {
            await response.OutputStream.WriteAsync(content.AsMemory(start, cut));
            await response.OutputStream.FlushAsync();
            response.Abort();
            return;
        }

        await response.OutputStream.WriteAsync(content.AsMemory(start));
    }
}
