namespace Mamba.Autograd;

/// <summary>How <see cref="Functions.Resize"/> finds the pixels of an image of another size.</summary>
public enum Interpolation
{
    /// <summary>Pixel i is pixel <c>⌊i·count/new count⌋</c>.</summary>
    Nearest,

    /// <summary>Between the four pixels around it, linear along each axis.</summary>
    Bilinear,
}
