using System.Globalization;
using System.Text;
using System.Text.Json;
using Mamba.Checkpoints;

namespace Mamba.Models.Checkpoints;

/// <summary>Writes a <c>config.json</c> as Python does: indented, with infinity as a bare Infinity.</summary>
/// <remarks>Needed because <see cref="Utf8JsonWriter"/> writes bare words only as raw text, without indent.</remarks>
internal sealed class ConfigJsonWriter
{
    private readonly StringBuilder _text = new("{");
    private string _indent = "\n  ";
    private bool _isEmpty = true;

    public void Add(string key, int value) => AddItem(key, value.ToString(CultureInfo.InvariantCulture));

    public void Add(string key, bool value) => AddItem(key, value ? "true" : "false");

    public void Add(string key, string? value) => AddItem(key, value is null ? "null" : Quote(value));

    public void Add(string key, double value) => AddItem(key, PythonJson.Format(value));

    public void Add(string key, int[] values) =>
        AddList(key, Array.ConvertAll(values, value => value.ToString(CultureInfo.InvariantCulture)));

    public void Add(string key, double[] values) => AddList(key, Array.ConvertAll(values, PythonJson.Format));

    public void Add(string key, string[] values) => AddList(key, Array.ConvertAll(values, Quote));

    /// <summary>Writes a value that is already JSON.</summary>
    public void AddRaw(string key, string value) => AddItem(key, value);

    /// <summary>Writes an object within this one.</summary>
    public void Add(string key, Action<ConfigJsonWriter> content)
    {
        AddItem(key, "{");
        string indent = _indent;
        (_indent, _isEmpty) = (indent + "  ", true);
        content(this);
        _text.Append(_isEmpty ? "" : indent).Append('}');
        (_indent, _isEmpty) = (indent, false);
    }

    /// <summary>Throws if the reader of the file would refuse the object.</summary>
    /// <param name="source">The name of the file, for messages.</param>
    /// <param name="read">Reads the file.</param>
    /// <param name="refusal">Start of the message: what cannot be saved.</param>
    /// <exception cref="NotSupportedException">A value is out of the reader's range.</exception>
    public void RequireLoadable(string source, Action<ConfigJson> read, string refusal)
    {
        try
        {
            read(ConfigJson.Parse(Encoding.UTF8.GetBytes(ToString()), source));
        }
        catch (InvalidDataException exception)
        {
            throw new NotSupportedException($"{refusal} could not be loaded again: {exception.Message}", exception);
        }
    }

    /// <summary>Writes the object to a file atomically.</summary>
    public void Save(string path)
    {
        byte[] text = Encoding.UTF8.GetBytes(ToString());
        AtomicFile.Write(path, text.Length, stream => stream.Write(text));
    }

    /// <summary>The whole object.</summary>
    public override string ToString() => _isEmpty ? "{}\n" : $"{_text}\n}}\n";

    private void AddItem(string key, string value)
    {
        _text.Append(_isEmpty ? "" : ",").Append(_indent).Append(Quote(key)).Append(": ").Append(value);
        _isEmpty = false;
    }

    private void AddList(string key, string[] values) => AddItem(
        key, values.Length == 0 ? "[]" : $"[{_indent}  {string.Join($",{_indent}  ", values)}{_indent}]");

    private static string Quote(string text) => $"\"{JsonEncodedText.Encode(text)}\"";
}
