using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mamba.Cli.Train;

/// <summary>One setting of <c>mamba train</c>: its names, what values it takes, and what it is for.</summary>
internal sealed class SettingKind
{
    private readonly PropertyInfo _property;
    private readonly RangeAttribute? _range;

    private SettingKind(PropertyInfo property)
    {
        _property = property;
        _range = property.GetCustomAttribute<RangeAttribute>();
        Key = JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name);
        Option = "--" + Key.Replace('_', '-');
    }

    /// <summary>All settings, as they stand in <see cref="TrainSettings"/>.</summary>
    public static IReadOnlyList<SettingKind> All { get; } =
        [.. typeof(TrainSettings).GetProperties().Where(property => property.CanWrite)
            .Select(property => new SettingKind(property))];

    /// <summary>Its name in a file: <c>learning_rate</c>.</summary>
    public string Key { get; }

    /// <summary>Its name on the command line: <c>--learning-rate</c>.</summary>
    public string Option { get; }

    public string Description => _property.GetCustomAttribute<DescriptionAttribute>()!.Description;

    /// <summary>Whether it only shapes a new model, and means nothing to one that is loaded.</summary>
    public bool IsShape => _property.Name is nameof(TrainSettings.Model) or nameof(TrainSettings.Dim)
        or nameof(TrainSettings.Layers) or nameof(TrainSettings.State) or nameof(TrainSettings.Head);

    /// <summary>Whether it decides the weights that a run ends with, and not only what is written where.</summary>
    public bool DecidesResult => _property.Name is not (nameof(TrainSettings.Output) or nameof(TrainSettings.Recompute)
        or nameof(TrainSettings.EvaluateEvery) or nameof(TrainSettings.EvaluateTokens) or nameof(TrainSettings.Patience)
        or nameof(TrainSettings.CheckpointEvery) or nameof(TrainSettings.Keep) or nameof(TrainSettings.Store)
        or nameof(TrainSettings.Device) or nameof(TrainSettings.Threads));

    public bool IsFlag => _property.PropertyType == typeof(bool);

    /// <summary>Whether its value is text, and needs no form of its own on the command line.</summary>
    public bool IsText => _property.PropertyType == typeof(string) || _property.PropertyType.IsEnum;

    /// <summary>Its value in some settings, as a file has it.</summary>
    public string TextOf(TrainSettings settings)
    {
        JsonNode? node =
            JsonSerializer.SerializeToNode(_property.GetValue(settings), _property.PropertyType, TrainSettings.Json);
        return IsText ? node!.GetValue<string>() : node!.ToJsonString();
    }

    /// <summary>Reads a value of the command line.</summary>
    /// <exception cref="InvalidDataException">The setting takes no such value.</exception>
    public JsonNode Parse(string text)
    {
        try
        {
            using JsonDocument document = IsText ? JsonSerializer.SerializeToDocument(text) : JsonDocument.Parse(text);
            return Parse(document.RootElement, Option, text);
        }
        catch (JsonException)
        {
            throw Refuse(Option, text);
        }
    }

    /// <summary>Reads a value of a file.</summary>
    /// <param name="value">The value.</param>
    /// <param name="name">What the file calls the setting, for a message.</param>
    /// <exception cref="InvalidDataException">The setting takes no such value.</exception>
    public JsonNode Parse(JsonElement value, string name) => Parse(value, name, value.GetRawText());

    /// <summary>Throws unless a value is in the setting's range.</summary>
    /// <param name="settings">Has the value.</param>
    /// <param name="name">What the user calls the setting.</param>
    /// <exception cref="InvalidDataException">It is not.</exception>
    public void RequireInRange(TrainSettings settings, string name)
    {
        if (_range is null)
        {
            return;
        }

        double value = Convert.ToDouble(_property.GetValue(settings), CultureInfo.InvariantCulture);
        double low = Convert.ToDouble(_range.Minimum, CultureInfo.InvariantCulture);
        double high = Convert.ToDouble(_range.Maximum, CultureInfo.InvariantCulture);
        if (!(value >= low && value <= high) || (_range.MaximumIsExclusive && value == high))
        {
            string expected = _range.MaximumIsExclusive ? FormattableString.Invariant($"from {low} to below {high}")
                : high > 1e9 && value < low ? FormattableString.Invariant($"at least {low}")
                : FormattableString.Invariant($"from {low} to {high}");
            throw new InvalidDataException($"{name}: expected {expected}; found {TextOf(settings)}.");
        }
    }

    private JsonNode Parse(JsonElement value, string name, string text)
    {
        bool fits = _property.PropertyType.IsEnum || _property.PropertyType == typeof(string)
                ? value.ValueKind == JsonValueKind.String
                    && (!_property.PropertyType.IsEnum || Names.Contains(TextOf(value, name)))
            : IsFlag ? value.ValueKind is JsonValueKind.True or JsonValueKind.False
            : value.ValueKind == JsonValueKind.Number
                && (_property.PropertyType == typeof(int) ? value.TryGetInt32(out _)
                : _property.PropertyType == typeof(long) ? value.TryGetInt64(out _)
                : value.TryGetDouble(out double number) && double.IsFinite(number));
        return !fits ? throw Refuse(name, text)
            : IsText ? JsonValue.Create(TextOf(value, name)) : JsonNode.Parse(value.GetRawText())!;
    }

    private IEnumerable<string> Names => Enum.GetNames(_property.PropertyType)
        .Select(JsonNamingPolicy.KebabCaseLower.ConvertName);

    private InvalidDataException Refuse(string name, string found)
    {
        const int MostCharacters = 40;
        string expected = _property.PropertyType.IsEnum ? string.Join(", ", Names)
            : IsText ? "a text"
            : IsFlag ? "true or false"
            : _property.PropertyType == typeof(double) ? "a number" : "a whole number";
        string shown = found.Length > MostCharacters ? found[..MostCharacters] + "..." : found;
        return new($"{name}: expected {expected}; found {(shown.StartsWith('"') ? shown : $"\"{shown}\"")}.");
    }

    private static string TextOf(JsonElement value, string name)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException exception)
        {
            throw new InvalidDataException($"{name}: expected Unicode text; found half a character.", exception);
        }
    }
}
