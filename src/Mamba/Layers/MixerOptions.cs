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
    /// <exception cref="ArgumentException">
    /// A size is not positive, a range is empty, or widths do not divide.
    /// </exception>
    public abstract void Validate();

    /// <summary>Makes the layer.</summary>
    internal abstract SequenceMixer Create(Device device, Random? random, double outputScale);

    /// <summary>Throws unless the width of the model, and twice the width inside the mixer, can be.</summary>
    private protected void RequireWidths(int? innerDim)
    {
        Setting.RequirePositive(ModelDim, nameof(ModelDim));
        Setting.RequirePositive(innerDim ?? 1, "InnerDim");
        string name = innerDim is null ? nameof(ModelDim) : "InnerDim";
        Setting.RequireWidth(2 * (innerDim ?? (2L * ModelDim)), name, "twice the inner width");
    }

    private protected static void RequireTimeSteps(double minimum, double maximum, double floor)
    {
        Setting.RequirePositiveFloat(minimum, "TimeStepMin");
        Setting.RequirePositiveFloat(maximum, "TimeStepMax");
        Setting.Require(
            maximum >= minimum, "TimeStepMax", "at least TimeStepMin",
            FormattableString.Invariant($"{maximum} with a TimeStepMin of {minimum}"));
        Setting.RequireIn(floor, maximum, "TimeStepFloor");
    }
}
