using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The sizes and options of a layer that mixes tokens; a list of them is a model's schedule.</summary>
public abstract record MixerOptions
{
    private protected MixerOptions()
    {
    }

    /// <summary>Width of the model, D.</summary>
    public required int ModelDim { get; init; }

    /// <summary>Throws on the first option that makes no sense, by name.</summary>
    /// <exception cref="ArgumentException">A size is not positive, a range is empty, or widths do not divide.</exception>
    public abstract void Validate();

    /// <summary>Makes the layer.</summary>
    internal abstract SequenceMixer Create(Device device, Random? random, double outputScale);

    private protected static void RequireMultiple(int value, int divisor, string name, string divisorName)
    {
        if (value % divisor != 0)
        {
            throw new ArgumentException($"{name} must be a multiple of {divisorName}; found {value} and {divisor}.");
        }
    }
}
