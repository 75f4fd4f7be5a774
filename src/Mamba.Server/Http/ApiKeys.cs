using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Mamba.Server.Http;

/// <summary>The keys of which a request must have one.</summary>
/// <param name="keys">The keys; none: anybody may ask.</param>
internal sealed class ApiKeys(IEnumerable<string> keys)
{
    private const string Scheme = "Bearer ";

    // Hashes have one length, so that comparing takes the same time for every key.
    private readonly byte[][] _hashes = [.. keys.Select(Hash)];

    /// <summary>Throws unless a request has a key.</summary>
    /// <exception cref="ApiException">It has none, or a wrong one.</exception>
    public void Require(HttpContext context)
    {
        string header = context.Request.Headers.Authorization.ToString();
        bool hasKey = header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase);
        byte[] found = Hash(hasKey ? header[Scheme.Length..].Trim() : "");
        bool isKnown = _hashes.Length == 0;
        foreach (byte[] hash in _hashes)
        {
            isKnown |= CryptographicOperations.FixedTimeEquals(hash, found);
        }

        if (!isKnown)
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            throw new ApiException(
                StatusCodes.Status401Unauthorized,
                hasKey ? "The API key is not one of this server." : "Expected Authorization: Bearer KEY; found none.",
                "authentication_error", code: "invalid_api_key");
        }
    }

    private static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
