using System.Runtime.CompilerServices;

namespace Mamba.Models.Generation;

/// <summary>Streams of generated tokens.</summary>
internal static class GeneratedTokens
{
    /// <summary>The ids of a stream of tokens.</summary>
    public static async IAsyncEnumerable<int> IdsOf(
        IAsyncEnumerable<GeneratedToken> tokens, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach (GeneratedToken token in tokens.WithCancellation(cancellation).ConfigureAwait(false))
        {
            yield return token.Id;
        }
    }
}
