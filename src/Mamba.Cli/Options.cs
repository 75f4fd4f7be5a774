using System.CommandLine;
using System.Globalization;
using Mamba.Memory;

namespace Mamba.Cli;

/// <summary>Options of several commands. A wrong value gives a message of one line.</summary>
internal static class Options
{
    private static readonly string[] PrecisionNames =
        Array.ConvertAll(Enum.GetNames<Precision>(), name => name.ToLowerInvariant());

    /// <summary>A whole number above 0.</summary>
    /// <param name="name">Its name, with the dashes.</param>
    /// <param name="description">What it decides.</param>
    /// <param name="value">The default; null is 0, and the help names no default.</param>
    /// <param name="most">The largest valid value.</param>
    public static Option<int> Positive(string name, string description, int? value, int most = int.MaxValue)
    {
        Option<int> option = new(name)
        {
            Description = description,
            HelpName = "number",
            CustomParser = result =>
            {
                string text = result.Tokens[0].Value;
                if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
                    || number < 1
                    || number > most)
                {
                    string range = most == int.MaxValue ? "above 0" : $"from 1 to {most}";
                    result.AddError($"{name}: expected a whole number {range}; found \"{text}\".");
                }

                return number;
            },
        };
        if (value is { } given)
        {
            option.DefaultValueFactory = _ => given;
        }

        return option;
    }

    /// <summary>Whole numbers with commas between them.</summary>
    /// <param name="name">Its name, with the dashes.</param>
    /// <param name="alias">A short name.</param>
    /// <param name="description">What it decides.</param>
    /// <param name="value">The default, as it is typed; null: none, and the help names none.</param>
    /// <param name="least">The smallest valid number.</param>
    /// <param name="most">The largest valid number.</param>
    public static Option<int[]> Numbers(
        string name, string alias, string description, string? value, int least, int most = int.MaxValue)
    {
        int[]? Read(string text, Action<string> fault)
        {
            string[] parts = text.Split(',');
            int[] numbers = new int[parts.Length];
            for (int i = 0; i < parts.Length; i++)
            {
                if (!int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i])
                    || numbers[i] < least
                    || numbers[i] > most)
                {
                    string range = most == int.MaxValue ? $"of {least} or more" : $"from {least} to {most}";
                    fault($"{name}: expected whole numbers {range}, with commas; found \"{text}\".");
                    return null;
                }
            }

            return numbers;
        }

        return new(name, alias)
        {
            Description = value is null ? description : $"{description} [default: {value}]",
            HelpName = "numbers",
            CustomParser = result => Read(result.Tokens[0].Value, result.AddError),
        };
    }

    /// <summary>A number that is not negative.</summary>
    /// <param name="name">Its name, with the dashes.</param>
    /// <param name="description">What it decides.</param>
    /// <param name="value">The default.</param>
    /// <param name="most">The largest valid value.</param>
    public static Option<float> NotNegative(string name, string description, float value, float most) => new(name)
    {
        Description = description,
        HelpName = "number",
        DefaultValueFactory = _ => value,
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (!float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float number)
                || !(number >= 0 && number <= most))
            {
                result.AddError(string.Create(
                    CultureInfo.InvariantCulture, $"{name}: expected a number from 0 to {most}; found \"{text}\"."));
            }

            return number;
        },
    };

    /// <summary>What <c>--weights</c> calls a precision.</summary>
    public static string NameOf(Precision precision) =>
        PrecisionNames[Array.IndexOf(Enum.GetValues<Precision>(), precision)];

    /// <summary><c>--weights</c>: how a model's matrices are stored in memory; null: as its files have them.</summary>
    public static Option<Precision?> Weights()
    {
        const string Name = "--weights";
        string all = string.Join(", ", PrecisionNames);
        return new(Name)
        {
            Description =
                $"Quantization of the weights in memory: {all}. [default: as a GGUF file has them, else " +
                $"{PrecisionNames[0]}]",
            HelpName = "precision",
            CustomParser = result =>
            {
                int index = Array.IndexOf(PrecisionNames, result.Tokens[0].Value);
                if (index < 0)
                {
                    result.AddError($"{Name}: expected {all}; found \"{result.Tokens[0].Value}\".");
                }

                return index < 0 ? null : Enum.GetValues<Precision>()[index];
            },
        };
    }
}
