using System.Text.Json;
using Mamba.Models;
using Mamba.Server.Wire;
using Microsoft.Extensions.Logging;

namespace Mamba.Server.Sessions;

/// <summary>
/// Sessions in a folder, one folder for each: what was said, in <c>session.json</c>, and the file of the state, with
/// checksums. Both are replaced as a whole, the state first, so that a process may end at any time.
/// </summary>
/// <param name="path">The folder, which is made if it is not there.</param>
/// <param name="logger">Gets what cannot be read.</param>
internal sealed partial class SessionFolder(string path, ILogger logger)
{
    private const int Format = 1;
    private const string Name = "session.json", States = "state-*.mamba";

    /// <summary>Reads all sessions, without their states.</summary>
    public IEnumerable<Session> Load()
    {
        Directory.CreateDirectory(path);
        foreach (string file in Directory.EnumerateFiles(path, Name, SearchOption.AllDirectories).Order())
        {
            if (Read(file) is { } session)
            {
                yield return session;
            }
        }
    }

    /// <summary>Writes a session, and deletes its former state.</summary>
    public void Save(Session session)
    {
        string folder = Path.Combine(path, session.Id);
        Directory.CreateDirectory(folder);
        session.StateFile = null;
        if (session.State is { Tokens.Count: > 0 } state)
        {
            session.StateFile = $"state-{Guid.NewGuid():N}.mamba";
            state.Save(Path.Combine(folder, session.StateFile));
        }

        SessionFile file = new(
            Format, session.Id, session.Created, session.Kind, session.Messages, session.Text, session.Turns,
            session.StateFile);
        string whole = Path.Combine(folder, Name), part = $"{whole}.partial";
        using (FileStream stream = File.Create(part))
        {
            JsonSerializer.Serialize(stream, file, WireJson.Default.SessionFile);
            stream.Flush(flushToDisk: true);
        }

        File.Move(part, whole, overwrite: true);
        foreach (string old in Directory.EnumerateFiles(folder, States))
        {
            if (Path.GetFileName(old) != session.StateFile)
            {
                File.Delete(old);
            }
        }
    }

    /// <summary>Loads the state of a session; null: there is none that can be read.</summary>
    public Conversation? LoadState(Session session, MambaLanguageModel model)
    {
        if (session.StateFile is not { } name)
        {
            return null;
        }

        try
        {
            return Conversation.Load(model, Path.Combine(path, session.Id, name));
        }
        catch (Exception exception) when (exception is InvalidDataException or IOException)
        {
            LogState(session.Id, exception.Message); // the text is read again
            return null;
        }
    }

    /// <summary>Deletes a session.</summary>
    public void Delete(string id)
    {
        string folder = Path.Combine(path, id);
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private Session? Read(string file)
    {
        try
        {
            using FileStream stream = File.OpenRead(file);
            SessionFile? read = JsonSerializer.Deserialize(stream, WireJson.Default.SessionFile);
            string folder = Path.GetFileName(Path.GetDirectoryName(file)!);
            if (read is not { Format: Format, Messages: { } messages, Text: { } text, Turns: { } turns }
                || read.Id != folder
                || !SessionStore.IsName(folder)
                || (read.State is { } state && Path.GetFileName(state) != state)
                || turns.Any(turn => turn.Messages < 0 || turn.Messages > messages.Count
                    || turn.Tokens < 0 || turn.Tokens > text.Count))
            {
                throw new InvalidDataException($"expected a session of format {Format} in a folder of its name");
            }

            return new(read.Id, read.Created)
            {
                Kind = read.Kind, Messages = messages, Text = text, Turns = turns, StateFile = read.State,
            };
        }
        catch (Exception exception) when (exception is InvalidDataException or JsonException or IOException)
        {
            LogSession(file, exception.Message);
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The session {File} cannot be read: {Reason}")]
    private partial void LogSession(string file, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The state of the session {Id} is not used: {Reason}")]
    private partial void LogState(string id, string reason);
}
