using System.Text;

namespace Mamba.Text.Templates;

/// <summary>The operators of expressions, as Python has them.</summary>
internal static class Operators
{
    /// <summary>A binary operator of numbers, texts and lists.</summary>
    public static object? Apply(Rendering rendering, string name, object? x, object? y)
    {
        try
        {
            return name switch
            {
                "+" => Add(rendering, x, y),
                "-" when AreNumbers(x, y) => IsInteger(x, y)
                    ? (object)checked(Values.Integer(x) - Values.Integer(y))
                    : Values.Number(x) - Values.Number(y),
                "*" => Multiply(rendering, x, y),
                "/" when AreNumbers(x, y) => Values.Number(x) / Divisor(y),
                "//" when AreNumbers(x, y) => Quotient(x, y),
                "%" when AreNumbers(x, y) => Remainder(x, y),
                "**" when AreNumbers(x, y) => Power(x, y),
                "~" => rendering.Created(Values.ToText(x) + Values.ToText(y)),
                "%" when x is string => throw TemplateFault.Unsupported("formatting text with %"),
                _ => throw new TemplateFault($"{Values.Kind(x)} {name} {Values.Kind(y)} is not possible"),
            };
        }
        catch (OverflowException)
        {
            throw new TemplateFault("an integer has more than 64 bits");
        }
    }

    /// <summary>Whether a comparison holds.</summary>
    public static bool Holds(string name, object? x, object? y) => name switch
    {
        "==" => Values.Equal(x, y),
        "!=" => !Values.Equal(x, y),
        "<" => Values.Compare(x, y) < 0,
        "<=" => Values.Compare(x, y) <= 0,
        ">" => Values.Compare(x, y) > 0,
        ">=" => Values.Compare(x, y) >= 0,
        "in" => Contains(y, x),
        _ => !Contains(y, x),
    };

    /// <summary>The negative number.</summary>
    public static object Negative(object? value) => value switch
    {
        double number => (object)-number,
        _ => -Values.Integer(value),
    };

    private static bool Contains(object? whole, object? part) => whole switch
    {
        string text => text.Contains(Values.Text(part), StringComparison.Ordinal),
        TemplateMap map => map.TryGet(part, out _),
        _ => Values.Items(whole).Any(item => Values.Equal(item, part)),
    };

    private static bool AreNumbers(object? x, object? y) => Values.IsNumber(x) && Values.IsNumber(y);

    private static bool IsInteger(object? x, object? y) => x is not double && y is not double;

    private static object Add(Rendering rendering, object? x, object? y)
    {
        switch (x, y)
        {
            case (string a, string b):
                rendering.Create((long)a.Length + b.Length);
                return a + b;
            case (List<object?> a, List<object?> b):
                rendering.Create((long)a.Count + b.Count);
                return a.Concat(b).ToList();
            case (object?[] a, object?[] b):
                rendering.Create((long)a.Length + b.Length);
                return a.Concat(b).ToArray();
            default:
                return !AreNumbers(x, y)
                    ? throw new TemplateFault($"{Values.Kind(x)} + {Values.Kind(y)} is not possible")
                    : IsInteger(x, y) ? (object)checked(Values.Integer(x) + Values.Integer(y))
                    : Values.Number(x) + Values.Number(y);
        }
    }

    private static object Multiply(Rendering rendering, object? x, object? y)
    {
        if (AreNumbers(x, y))
        {
            return IsInteger(x, y)
                ? (object)checked(Values.Integer(x) * Values.Integer(y))
                : Values.Number(x) * Values.Number(y);
        }

        (object? repeated, object? times) = Values.IsNumber(x) ? (y, x) : (x, y);
        long count = Math.Max(0, Values.Integer(times));
        switch (repeated)
        {
            case string text:
                rendering.Create(checked(text.Length * count));
                return text.Length == 0 ? text : new StringBuilder().Insert(0, text, (int)count).ToString();
            case List<object?> list:
                rendering.Create(checked(list.Count * count));
                return Enumerable.Repeat(list, list.Count == 0 ? 0 : (int)count).SelectMany(items => items).ToList();
            case object?[] tuple:
                rendering.Create(checked(tuple.Length * count));
                return Enumerable.Repeat(tuple, tuple.Length == 0 ? 0 : (int)count)
                    .SelectMany(items => items).ToArray();
            default:
                throw new TemplateFault($"{Values.Kind(x)} * {Values.Kind(y)} is not possible");
        }
    }

    private static double Divisor(object? y) =>
        Values.Number(y) is var divisor and not 0 ? divisor : throw new TemplateFault("division by zero");

    // Both round down, so the remainder has the sign of the divisor.
    private static object Quotient(object? x, object? y)
    {
        double divisor = Divisor(y);
        if (!IsInteger(x, y))
        {
            return Math.Floor(Values.Number(x) / divisor);
        }

        (long a, long b) = (Values.Integer(x), Values.Integer(y));
        long quotient = b == -1 ? checked(-a) : a / b;
        return (b == -1 ? 0 : a % b) != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
    }

    private static object Remainder(object? x, object? y)
    {
        double divisor = Divisor(y);
        if (!IsInteger(x, y))
        {
            double rest = Values.Number(x) % divisor;
            return rest != 0 && (rest < 0) != (divisor < 0) ? rest + divisor : rest;
        }

        (long a, long b) = (Values.Integer(x), Values.Integer(y));
        long remainder = b == -1 ? 0 : a % b;
        return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
    }

    private static object Power(object? x, object? y)
    {
        if (!IsInteger(x, y) || Values.Integer(y) < 0)
        {
            return Math.Pow(Values.Number(x), Values.Number(y));
        }

        (long result, long factor) = (1, Values.Integer(x));
        for (long exponent = Values.Integer(y); exponent > 0; exponent >>= 1)
        {
            result = (exponent & 1) != 0 ? checked(result * factor) : result;
            factor = exponent > 1 ? checked(factor * factor) : factor;
        }

        return result;
    }
}
