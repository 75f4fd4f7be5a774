namespace Mamba.Text.Templates;

/// <summary>The variable <c>loop</c> of a for loop.</summary>
internal sealed class Loop(IReadOnlyList<object?> items)
{
    private object? _lastChanged = new();

    /// <summary>The place of the current item, from 0.</summary>
    public int Index { get; set; }

    /// <summary>A member.</summary>
    public object? Member(string name) => name switch
    {
        "index" => Index + 1L,
        "index0" => (long)Index,
        "revindex" => (long)(items.Count - Index),
        "revindex0" => items.Count - Index - 1L,
        "first" => Index == 0,
        "last" => Index == items.Count - 1,
        "length" => (long)items.Count,
        "depth" => 1L, // of recursive loops, which there are none of
        "depth0" => 0L,
        "previtem" => Index > 0 ? items[Index - 1] : new Undefined("loop.previtem of the first item"),
        "nextitem" => Index + 1 < items.Count ? items[Index + 1] : new Undefined("loop.nextitem of the last item"),
        "cycle" => (TemplateFunction)((_, arguments) => arguments.Positional.Count > 0
            ? arguments.Positional[Index % arguments.Positional.Count]
            : throw new TemplateFault("loop.cycle needs values")),
        "changed" => (TemplateFunction)((_, arguments) =>
        {
            object?[] current = [.. arguments.Positional];
            bool isSame = Values.Equal(_lastChanged, current);
            _lastChanged = current;
            return !isSame;
        }),
        _ => throw TemplateFault.Unsupported($"loop.{name}"),
    };
}
