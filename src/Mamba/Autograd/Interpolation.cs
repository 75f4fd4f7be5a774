namespace Mamba.Autograd;

/// <summary>The interpolation of <see cref="Functions.Resize"/>.</summary>
/// <example>
/// <code>
/// DeviceArray larger = Functions.Resize(images, 2 * height, 2 * width, Interpolation.Bilinear);
/// </code>
/// </example>
public enum Interpolation
{
    /// <summary>Pixel i of the result is pixel <c>⌊i·count/new count⌋</c> of the image.</summary>
    Nearest,

    /// <summary>Linear along each axis between the four nearest pixels.</summary>
    Bilinear,
}
