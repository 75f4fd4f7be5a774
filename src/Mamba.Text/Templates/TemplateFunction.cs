namespace Mamba.Text.Templates;

/// <summary>A function, method or macro.</summary>
internal delegate object? TemplateFunction(Rendering rendering, Arguments arguments);
