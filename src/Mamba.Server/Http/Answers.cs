using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Mamba.Server.Http;

/// <summary>Several answers that are generated at the same time, as one row of their pieces.</summary>
internal static class Answers
{
    private const int MostHeld = 64; // pieces, beyond which an answer waits for the client

    /// <summary>Begins all of them, and waits for nothing.</summary>
    /// <param name="sources">The answers.</param>
    /// <param name="ending">Ends them all; the caller cancels it when it needs no more.</param>
    /// <returns>The pieces, each with the number of its answer, once.</returns>
    /// <exception cref="Exception">What a request is refused with, by the first answer that cannot begin.</exception>
    public static IAsyncEnumerable<(int Index, T Piece)> Start<T>(
        IReadOnlyList<IAsyncEnumerable<T>> sources, CancellationTokenSource ending)
    {
        List<(IAsyncEnumerator<T> Pieces, Task<bool> First)> begun = [];
        try
        {
            foreach (IAsyncEnumerable<T> source in sources)
            {
                IAsyncEnumerator<T> pieces = source.GetAsyncEnumerator(ending.Token);
                Task<bool> first = pieces.MoveNextAsync().AsTask(); // up to its first wait, which is after all checks
                begun.Add((pieces, first));
                if (first.IsFaulted)
                {
                    first.GetAwaiter().GetResult();
                }
            }
        }
        catch
        {
            ending.Cancel();
            begun.ForEach(one => _ = EndAsync(one.Pieces, one.First));
            throw;
        }

        Channel<(int, T)> channel = Channel.CreateBounded<(int, T)>(MostHeld);
        _ = PumpAllAsync(begun, channel.Writer, ending.Token);
        return ReadAsync(channel.Reader, ending.Token);
    }

    private static async IAsyncEnumerable<(int, T)> ReadAsync<T>(
        ChannelReader<(int, T)> reader, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach ((int, T) item in reader.ReadAllAsync(cancellation).ConfigureAwait(false))
        {
            yield return item;
        }
    }

    private static async Task PumpAllAsync<T>(
        List<(IAsyncEnumerator<T> Pieces, Task<bool> First)> begun,
        ChannelWriter<(int, T)> writer,
        CancellationToken cancellation)
    {
        await Task.WhenAll(begun.Select((one, index) => PumpAsync(
            index, one.Pieces, one.First, writer, cancellation))).ConfigureAwait(false);
        writer.TryComplete();
    }

    private static async Task PumpAsync<T>(
        int index,
        IAsyncEnumerator<T> pieces,
        Task<bool> first,
        ChannelWriter<(int, T)> writer,
        CancellationToken cancellation)
    {
        try
        {
            await using ConfiguredAsyncDisposable ending = pieces.ConfigureAwait(false);
            for (bool hasMore = await first.ConfigureAwait(false); hasMore;
                hasMore = await pieces.MoveNextAsync().ConfigureAwait(false))
            {
                await writer.WriteAsync((index, pieces.Current), cancellation).ConfigureAwait(false);
            }
        }
        catch (Exception exception)
        {
            bool isExpected = exception is OperationCanceledException or ObjectDisposedException;
            writer.TryComplete(isExpected
                ? exception
                : new InvalidOperationException("Generation failed.", exception)); // not the request's fault
        }
    }

    private static async Task EndAsync<T>(IAsyncEnumerator<T> pieces, Task<bool> first)
    {
        await ((Task)first).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await pieces.DisposeAsync().ConfigureAwait(false);
    }
}
