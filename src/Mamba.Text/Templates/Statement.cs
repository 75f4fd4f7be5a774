namespace Mamba.Text.Templates;

/// <summary>A statement, compiled: writes its output.</summary>
internal delegate Flow Statement(Rendering rendering);
