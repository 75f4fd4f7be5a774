using System.Runtime.CompilerServices;
using System.Text;

namespace Mamba.Text.Templates;

/// <summary>One rendering of a template: variables, output, and how much it may still do.</summary>
internal sealed class Rendering(ChatTemplateOptions options)
{
    private long _steps = options.MaxSteps, _created = options.MaxCreated;
    private int _calls;

    /// <summary>Settings.</summary>
    public ChatTemplateOptions Options => options;

    /// <summary>The output.</summary>
    public StringBuilder Output { get; set; } = new();

    /// <summary>The variables here.</summary>
    public Scope Scope { get; set; } = new(null);

    /// <summary>Where the last step began, for messages.</summary>
    public Position Position { get; private set; } = new(1, 1);

    /// <summary>Counts a step.</summary>
    public void At(Position position)
    {
        Position = position;
        if (--_steps < 0)
        {
            throw new TemplateFault($"it takes more than {options.MaxSteps:N0} steps");
        }
    }

    /// <summary>Counts characters or items before they are made.</summary>
    public void Create(long count)
    {
        if (count < 0 || (_created -= count) < 0)
        {
            throw new TemplateFault($"it makes more than {options.MaxCreated:N0} characters and items");
        }
    }

    /// <summary>Counts the characters of a text that was made of others of like length.</summary>
    public string Created(string text)
    {
        Create(text.Length);
        return text;
    }

    /// <summary>Writes text to the output.</summary>
    public void Write(string text)
    {
        Create(text.Length);
        Output.Append(text);
    }

    /// <summary>Runs the body of a macro.</summary>
    public void Enter()
    {
        if (++_calls > 100 || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw new TemplateFault($"macros call each other {_calls} deep");
        }
    }

    /// <summary>Ends the body of a macro.</summary>
    public void Leave() => _calls--;

    /// <summary>The output of some steps as text.</summary>
    public string Capture(Action steps)
    {
        StringBuilder outer = Output;
        Output = new();
        try
        {
            steps();
            return Created(Output.ToString());
        }
        finally
        {
            Output = outer;
        }
    }
}
