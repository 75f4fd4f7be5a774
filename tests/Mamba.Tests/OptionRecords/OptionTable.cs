using System.Reflection;
using System.Runtime.CompilerServices;

namespace Mamba.Tests.OptionRecords;

/// <summary>An option record, and values that its properties must not have.</summary>
/// <param name="Valid">The record, valid.</param>
/// <param name="Use">What refuses an invalid one.</param>
/// <param name="Invalid">For every property, values of which each is refused by the property's name.</param>
internal sealed record OptionTable(object Valid, Action<object> Use, Dictionary<string, object?[]> Invalid)
{
    /// <summary>A table of a record that has a method <c>Validate</c>.</summary>
    public OptionTable(object valid, Dictionary<string, object?[]> invalid)
        : this(valid, Validate, invalid)
    {
    }

    public Type Record => Valid.GetType();

    /// <summary>Every invalid record, and the property at fault.</summary>
    public IEnumerable<(object Options, string Property, object? Value)> Cases =>
        from pair in Invalid
        from value in pair.Value
        select (With(pair.Key, value), pair.Key, value);

    public void ShouldRefuseEveryInvalidValueByName(string record)
    {
        foreach ((object options, string property, object? value) in Cases)
        {
            FluentActions.Invoking(() => Use(options)).Should().Throw<ArgumentException>(
                    "{0}.{1} is {2}", record, property, value ?? "null")
                .WithParameterName(property)
                .WithMessage($"{property} must *; found *.*");
        }
    }

    public void ShouldAllowTheValidRecord(string record) =>
        FluentActions.Invoking(() => Use(Valid)).Should().NotThrow("{0} is valid", record);

    public void ShouldPrintEveryInvalidRecord(string record)
    {
        foreach ((object options, string property, object? value) in Cases)
        {
            options.Invoking(o => o.ToString()).Should().NotThrow(
                "{0}.{1} is {2}", record, property, value ?? "null");
        }
    }

    /// <summary>A copy with another value.</summary>
    private object With(string property, object? value)
    {
        object copy = RuntimeHelpers.GetObjectValue(Valid); // of a struct; a class is copied as "with" copies it
        copy = Record.GetMethod("<Clone>$")?.Invoke(Valid, null) ?? copy;
        Record.GetProperty(property)!.SetValue(copy, value);
        return copy;
    }

    private static void Validate(object options)
    {
        MethodInfo validate = options.GetType().GetMethod(
            "Validate", BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic, [])!;
        validate.Invoke(options, BindingFlags.DoNotWrapExceptions, null, null, null);
    }
}
