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
