namespace Mamba.Tests;

/// <summary>Runs work on threads of its own.</summary>
internal static class Threads
{
    /// <summary>Runs work on another thread and waits for it.</summary>
    public static void Run(Action work) => RunAll(work);

    /// <summary>
    /// Runs each piece of work on a thread of its own, all at once, and throws what any of them threw.
    /// </summary>
    public static void RunAll(params Action[] works)
    {
        Exception?[] failures = new Exception?[works.Length];
        using Barrier start = new(works.Length);
        Thread[] threads =
        [
            .. works.Select((work, i) => new Thread(() =>
            {
                start.SignalAndWait();
                failures[i] = Record.Exception(work);
            })),
        ];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Exception[] found = [.. failures.OfType<Exception>()];
        if (found.Length > 0)
        {
            throw new AggregateException(found);
        }
    }
}
