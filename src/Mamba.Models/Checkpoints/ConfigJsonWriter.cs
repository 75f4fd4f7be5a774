using System.Buffers;
using System.Text.Json;

namespace Mamba.Models.Checkpoints;

/// <summary>Writes a <c>config.json</c> as Python does: indented, an infinite number as a bare Infinity.</summary>
internal sealed class ConfigJsonWriter : IDisposable
{
    private static readonly JsonWriterOptions _options = new() { Indented = true, IndentSize = 2, NewLine = "\n" };

    private readonly ArrayBufferWriter<byte> _buffer = new();
    private readonly Utf8JsonWriter _json;

    public ConfigJsonWriter()
    {
        _json = new(_buffer, _options);
        _json.WriteStartObject();
    }

    public void Add(string key, int value) => _json.WriteNumber(key, value);

    public void Add(string key, bool value) => _json.WriteBoolean(key, value);

    public void Add(string key, string? value) => _json.WriteString(key, value);

    public void Add(string key, double value)
    {
        _json.WritePropertyName(key);
        _json.WritePythonNumber(value);
    }

    public void Add(string key, ReadOnlySpan<int> values)
    {
        _json.WriteStartArray(key);
        foreach (int value in values)
        {
            _json.WriteNumberValue(value);
        }

        _json.WriteEndArray();
    }

    public void Add(string key, ReadOnlySpan<double> values)
    {
        _json.WriteStartArray(key);
        foreach (double value in values)
        {
            _json.WritePythonNumber(value);
        }

        _json.WriteEndArray();
    }

    public void Add(string key, ReadOnlySpan<string> values)
    {
        _json.WriteStartArray(key);
        foreach (string value in values)
        {
            _json.WriteStringValue(value);
        }

        _json.WriteEndArray();
    }

    /// <summary>Writes an object within this one.</summary>
    public void Add(string key, Action<ConfigJsonWriter> content)
    {
        _json.WriteStartObject(key);
        content(this);
        _json.WriteEndObject();
    }

    /// <summary>Ends the object and gives its text; the last call.</summary>
    public ReadOnlySpan<byte> Finish()
    {
        _json.WriteEndObject();
        _json.Flush();
        return _buffer.WrittenSpan;
    }

    /// <summary>Ends the object and writes it to a file, which is whole or not there.</summary>
    public void Save(string path)
    {
        byte[] text = Finish().ToArray();
        AtomicFile.Write(path, text.Length, stream => stream.Write(text));
    }

    public void Dispose() => _json.Dispose();
}
