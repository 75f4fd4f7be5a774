using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;

namespace Mamba.Cli.Train;

/// <summary>
/// Settings as the user gave them, by file and by option, each with the name that the user knows it by. What is added
/// later wins.
/// </summary>
internal sealed class SettingSources
{
    private const int LargestFile = 1 << 20;

    private static readonly JsonDocumentOptions Relaxed = new()
    {
        CommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
    };

    private readonly Dictionary<string, (JsonNode Value, string Name, int Source)> _given = [];
    private int _sources;

    /// <summary>Adds the settings of a JSON file.</summary>
    /// <exception cref="InvalidDataException">The file is no object of settings.</exception>
    public void AddFile(string path)
    {
        using JsonDocument document = Read(path);
        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            throw new InvalidDataException($"{path}: expected a JSON object of settings.");
        }

        HashSet<string> seen = [];
        foreach (JsonProperty property in document.RootElement.EnumerateObject())
        {
            string key = NameOf(property, path), name = $"{path}: \"{key}\"";
            SettingKind kind = SettingKind.All.FirstOrDefault(kind => kind.Key == key)
                ?? throw new InvalidDataException(
                    $"{name}: unknown setting.{Nearest.Hint(key, SettingKind.All.Select(kind => kind.Key))}");
            if (!seen.Add(key))
            {
                throw new InvalidDataException($"{name}: the setting is given twice.");
            }

            _given[key] = (kind.Parse(property.Value, name), name, _sources);
        }

        _sources++;
    }

    /// <summary>Adds settings of the command line.</summary>
    public void AddOptions(IEnumerable<(SettingKind Kind, string Text)> options)
    {
        foreach ((SettingKind kind, string text) in options)
        {
            _given[kind.Key] = (kind.Parse(text), kind.Option, _sources);
        }

        _sources++;
    }

    /// <summary>What the user calls a setting.</summary>
    public string NameOf(string key) =>
        _given.TryGetValue(key, out (JsonNode, string Name, int) given) ? given.Name : "--" + key.Replace('_', '-');

    /// <summary>A text that was given; null if it was not.</summary>
    public string? TextOf(string key) =>
        _given.TryGetValue(key, out (JsonNode Value, string, int) given) ? (string?)given.Value : null;

    /// <summary>All settings, checked one by one and together.</summary>
    /// <exception cref="InvalidDataException">One is out of its range, or contradicts another.</exception>
    public TrainSettings Settings()
    {
        JsonObject all = [];
        foreach ((string key, (JsonNode value, _, _)) in _given)
        {
            all[key] = value.DeepClone();
        }

        TrainSettings settings = all.Deserialize<TrainSettings>(TrainSettings.Json)!;
        foreach (SettingKind kind in SettingKind.All)
        {
            kind.RequireInRange(settings, NameOf(kind.Key));
        }

        RequireNewModel(settings);
        return SettingChecks.Check(settings, NameOf, _given.ContainsKey("separator"));
    }

    /// <summary>
    /// Throws where a model is loaded and its sizes are given too, by the same source or one that wins over it.
    /// </summary>
    private void RequireNewModel(TrainSettings settings)
    {
        bool IsGiven(SettingKind kind) => kind.IsShape
            && _given.TryGetValue(kind.Key, out (JsonNode, string, int Source) given)
            && given.Source >= _given["from"].Source;
        if (settings.From.Length > 0 && SettingKind.All.FirstOrDefault(IsGiven) is { } shape)
        {
            throw new InvalidDataException(
                $"{NameOf(shape.Key)}: this is a size of a new model, but {NameOf("from")} loads {settings.From}, " +
                "which has its own sizes. Remove one of them.");
        }
    }

    private static JsonDocument Read(string path)
    {
        if (Directory.Exists(path))
        {
            throw new InvalidDataException($"{path}: expected a JSON file of settings; found a folder.");
        }

        byte[] bytes = new byte[LargestFile + 1];
        using (FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0))
        {
            bytes = bytes[..stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false)];
        }

        ReadOnlyMemory<byte> text = bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes.AsMemory(3) : bytes;
        if (bytes.Length > LargestFile || !Utf8.IsValid(text.Span))
        {
            throw new InvalidDataException($"{path}: expected at most {LargestFile} bytes of UTF-8 text.");
        }

        try
        {
            return JsonDocument.Parse(text, Relaxed);
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{path}: expected JSON. {exception.Message}", exception);
        }
    }

    private static string NameOf(JsonProperty property, string path)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException exception)
        {
            throw new InvalidDataException(
                $"{path}: expected names of Unicode text; one has half a character.", exception);
        }
    }
}
