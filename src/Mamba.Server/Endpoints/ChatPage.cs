using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Mamba.Server.Endpoints;

/// <summary><c>/</c>: a page to chat, which loads nothing from elsewhere.</summary>
internal static class ChatPage
{
    private static readonly byte[] Page = Read();

    /// <summary>Allows the page's own script and style, and requests to this server.</summary>
    private static readonly string Policy =
        $"default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; " +
        $"frame-ancestors 'none'; script-src '{HashOf("script")}'; style-src '{HashOf("style")}'";

    /// <summary>Answers with the page.</summary>
    public static async Task WriteAsync(HttpContext context)
    {
        context.Response.ContentType = "text/html; charset=utf-8";
        context.Response.Headers.ContentSecurityPolicy = Policy;
        context.Response.Headers.XContentTypeOptions = "nosniff";
        context.Response.Headers["Referrer-Policy"] = "no-referrer";
        await context.Response.Body.WriteAsync(Page, context.RequestAborted).ConfigureAwait(false);
    }

    private static byte[] Read()
    {
        using Stream stream = typeof(ChatPage).Assembly.GetManifestResourceStream("index.html")!;
        using MemoryStream page = new();
        stream.CopyTo(page);
        return page.ToArray();
    }

    /// <summary>The hash of the page's only element of a kind.</summary>
    private static string HashOf(string element)
    {
        string page = Encoding.UTF8.GetString(Page), begin = $"<{element}>";
        int start = page.IndexOf(begin, StringComparison.Ordinal) + begin.Length;
        string content = page[start..page.IndexOf($"</{element}>", start, StringComparison.Ordinal)];
        return $"sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(content)))}";
    }
}
