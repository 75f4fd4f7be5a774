using System.Collections;

namespace Mamba.Text.Templates;

/// <summary>The tests: what may stand after <c>is</c>.</summary>
internal static class Tests
{
    private static readonly Dictionary<string, Func<object?, Arguments, bool>> _all = new()
    {
        ["defined"] = (v, _) => v is not Undefined,
        ["undefined"] = (v, _) => v is Undefined,
        ["none"] = (v, _) => v is null,
        ["boolean"] = (v, _) => v is bool,
        ["true"] = (v, _) => v is true,
        ["false"] = (v, _) => v is false,
        ["integer"] = (v, _) => v is long,
        ["float"] = (v, _) => v is double,
        ["number"] = (v, _) => Values.IsNumber(v),
        ["string"] = (v, _) => v is string,
        ["mapping"] = (v, _) => v is TemplateMap,
        ["sequence"] = (v, _) => v is string or IList or TemplateMap or Undefined,
        ["iterable"] = (v, _) => v is string or IList or TemplateMap or Undefined,
        ["callable"] = (v, _) => v is TemplateFunction,
        ["odd"] = (v, _) => Math.Abs(Values.Number(v) % 2) == 1,
        ["even"] = (v, _) => Values.Number(v) % 2 == 0,
        ["divisibleby"] = (v, a) => Values.Integer(a.Next("num")) is var by and not 0
            ? by == -1 || Values.Integer(v) % by == 0
            : throw new TemplateFault("division by zero"),
        ["lower"] = (v, _) => Values.ToText(v) is var text && text.Any(char.IsLower) && !text.Any(char.IsUpper),
        ["upper"] = (v, _) => Values.ToText(v) is var text && text.Any(char.IsUpper) && !text.Any(char.IsLower),
        ["in"] = (v, a) => Operators.Holds("in", v, a.Next("seq")),
        ["sameas"] = (v, a) => a.Next("other") is var other &&
            (v is null or bool ? Equals(v, other) : v is long or double ? Equals(v, other) : ReferenceEquals(v, other)),
    };

    private static readonly Dictionary<string, string> _comparisons = new()
    {
        ["eq"] = "==", ["equalto"] = "==", ["=="] = "==", ["ne"] = "!=", ["!="] = "!=", ["lt"] = "<",
        ["lessthan"] = "<", ["<"] = "<", ["le"] = "<=", ["<="] = "<=", ["gt"] = ">",
        ["greaterthan"] = ">", [">"] = ">", ["ge"] = ">=", [">="] = ">=",
    };

    /// <summary>The test of a name.</summary>
    public static Func<object?, Arguments, bool> Find(string name)
    {
        Func<object?, Arguments, bool>? test = _comparisons.TryGetValue(name, out string? comparison)
            ? (value, arguments) => Operators.Holds(comparison, value, arguments.Next("other"))
            : _all.GetValueOrDefault(name);
        return test is null
            ? throw TemplateFault.Unsupported($"the test \"{name}\"")
            : (value, arguments) =>
            {
                bool holds = test(value, arguments);
                arguments.End();
                return holds;
            };
    }
}
