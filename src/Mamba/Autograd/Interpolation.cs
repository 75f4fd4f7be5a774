namespace Mamba.Autograd;

/// <summary>The interpolation of <see cref="Functions.Resize"/>.</summary>
public enum Interpolation
{
    /// <summary>Pixel i of the result is pixel <c>⌊i·count/new count⌋</c> of the image.</summary>
    Nearest,

    /// <summary>Linear along each axis between the four nearest pixels.</summary>
    Bilinear,
}
