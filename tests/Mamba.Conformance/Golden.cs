using System.Text.Json;
using Mamba.Checkpoints;
using Mamba.Operations;

namespace Mamba.Conformance;

/// <summary>A file of reference data: named tensors and the options that they were computed with.</summary>
internal sealed class Golden : IDisposable
{
    private readonly SafetensorsFile _file;
    private readonly JsonDocument _options;

    public Golden(string path)
    {
        Path = path;
        _file = SafetensorsFile.Open(path);
        _options = JsonDocument.Parse(_file.Metadata.GetValueOrDefault("options", "{}"));
    }

    public string Path { get; }

    /// <summary>
    /// What was computed, such as <c>ssd</c>; null where the file holds something else, such as weights.
    /// </summary>
    public string? Op => _file.Metadata.GetValueOrDefault("op");

    public JsonElement Options => _options.RootElement;

    /// <summary>Names of all tensors.</summary>
    public IEnumerable<string> Names => _file.Tensors.Keys;

    public IReadOnlyDictionary<string, string> Metadata => _file.Metadata;

    public bool Has(string name) => _file.Tensors.ContainsKey(name);

    public int[] Shape(string name) =>
        Array.ConvertAll(_file.Tensors[name].Shape.ToArray(), size => checked((int)size));

    /// <summary>A tensor of floats; fails where there is none of that name.</summary>
    public Nd this[string name] => new(Shape(name), Doubles(name));

    public int[] Integers(string name) => Array.ConvertAll(Longs(name), value => checked((int)value));

    public bool Flag(string name, bool fallback = false) =>
        Options.TryGetProperty(name, out JsonElement value) ? value.ValueKind == JsonValueKind.True : fallback;

    public int Integer(string name, int fallback) =>
        Options.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number
            ? value.GetInt32()
            : fallback;

    public double Number(string name, double fallback) =>
        Options.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number
            ? value.GetDouble()
            : fallback;

    public string? Text(string name) =>
        Options.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    /// <summary>A pair such as <c>dt_limit</c>, whose upper end may be written "inf".</summary>
    public (float Low, float High) Range(string name)
    {
        if (!Options.TryGetProperty(name, out JsonElement value) || value.ValueKind != JsonValueKind.Array)
        {
            return (0f, float.PositiveInfinity);
        }

        return (End(value[0]), End(value[1]));

        static float End(JsonElement end) => end.ValueKind == JsonValueKind.Number
            ? end.GetSingle()
            : end.GetString() is "inf" or "Infinity" ? float.PositiveInfinity
            : throw new InvalidDataException($"A range ends with {end}; expected a number or \"inf\".");
    }

    /// <summary>The packed segments, from runs of equal <c>in.seq_idx</c>; null where the rows are whole.</summary>
    public Segments? Segments()
    {
        if (!Has("in.seq_idx"))
        {
            return null;
        }

        int[] shape = Shape("in.seq_idx"), ids = Integers("in.seq_idx");
        List<int> lengths = [];
        for (int i = 0; i < ids.Length; i++)
        {
            if (i % shape[1] == 0 || ids[i] != ids[i - 1])
            {
                lengths.Add(0);
            }

            lengths[^1]++;
        }

        return Mamba.Operations.Segments.FromLengths(lengths.ToArray());
    }

    public void Dispose()
    {
        _options.Dispose();
        _file.Dispose();
    }

    private double[] Doubles(string name)
    {
        double[] values = new double[_file.Tensors[name].Count];
        _file.Read(name, values);
        return values;
    }

    private long[] Longs(string name)
    {
        long[] values = new long[_file.Tensors[name].Count];
        _file.Read(name, values);
        return values;
    }
}
