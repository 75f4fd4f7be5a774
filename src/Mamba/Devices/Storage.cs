namespace Mamba.Devices;

/// <summary>
/// A piece of device memory, and what the tape knows of it. Storages are pooled: the generation tells an array that
/// its memory has been given to another.
/// </summary>
internal abstract class Storage(Device device, nint length, Precision precision = Precision.Float32)
{
    private Storage? _gradient;
    private int _gradientGeneration;

    public Device Device { get; } = device;

    /// <summary>Number of elements.</summary>
    public nint Length { get; } = length;

    /// <summary>How an element is stored.</summary>
    public Precision Precision { get; } = precision;

    /// <summary>Bytes of all elements.</summary>
    public long Bytes => Precision.Bytes(Length);

    /// <summary>Counts how often this storage has been given back.</summary>
    public int Generation { get; private set; }

    /// <summary>Whether a gradient is wanted: a parameter, or what was computed from one while a tape records.</summary>
    public bool RequiresGradient { get; set; }

    /// <summary>
    /// Holds the gradient of every element, laid out as the elements are; made by the tape when first needed, null after
    /// the scope in which it was made.
    /// </summary>
    public Storage? Gradient
    {
        get => _gradient?.Generation == _gradientGeneration ? _gradient : null;
        set
        {
            _gradient = value;
            _gradientGeneration = value?.Generation ?? 0;
            GradientStart = 0;
            SharesGradient = false;
        }
    }

    /// <summary>The element of <see cref="Gradient"/> at which the gradient begins.</summary>
    public nint GradientStart { get; private set; }

    /// <summary>Whether the gradient is a part of memory that belongs to others, too.</summary>
    public bool SharesGradient { get; private set; }

    /// <summary>Makes a part of other memory the gradient.</summary>
    public void ShareGradient(Storage whole, nint start)
    {
        Gradient = whole;
        GradientStart = start;
        SharesGradient = true;
    }

    /// <summary>Ends the life of every array that refers to this storage.</summary>
    public void Retire()
    {
        Generation++;
        RequiresGradient = false;
        Gradient = null;
    }

    /// <summary>Gives the memory back to the system.</summary>
    public abstract void Free();
}
