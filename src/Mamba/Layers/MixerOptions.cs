using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The sizes and options of a layer that mixes tokens; a list of them defines the layers of a model.</summary>
/// <remarks>
/// Derive from this class to put your own mixer into a model. Training, generation and states work as for built-in
/// mixers, but the model cannot be saved in a published checkpoint format.
/// </remarks>
/// <example>
/// <code>
/// MixerOptions[] schedule = [new MambaMixerOptions { ModelDim = 64 }, new S4dMixerOptions { ModelDim = 64 }];
/// LanguageModelConfig config = new() { VocabularySize = 256, Layers = schedule };
/// </code>
/// </example>
public abstract record MixerOptions
{
    /// <summary>Makes options.</summary>
    protected MixerOptions()
    {
    }

    /// <summary>Width of the model, D.</summary>
    public required int ModelDim { get; init; }

    /// <summary>Throws on the first invalid option and names it.</summary>
    /// <exception cref="ArgumentException">
    /// A size is not positive, a range is empty, or one width does not divide another.
    /// </exception>
    public abstract void Validate();

    /// <summary>Makes the layer.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="random">Random source of the initial weights; null leaves them unset, for a loader to fill.</param>
    /// <param name="outputScale">
    /// Scale of the output projection's initial weights: 1/√(number of layers) in a model.
    /// </param>
    /// <returns>The layer; the caller disposes it.</returns>
    public abstract SequenceMixer Create(Device device, Random? random, double outputScale = 1);

    /// <summary>
    /// Describes the shape and meaning of the layer's state, independent of culture. Layers with equal descriptions can
    /// use each other's states and saved states.
    /// </summary>
    /// <returns>
    /// By default the name of the class and the width. An override must include every option that affects the state.
    /// </returns>
    public virtual string DescribeState() => FormattableString.Invariant($"{GetType().FullName} (width {ModelDim})");

    /// <summary>Throws unless the model's width and twice the inner width are valid array widths.</summary>
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
