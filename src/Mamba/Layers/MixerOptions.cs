using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>The sizes and options of a layer that mixes tokens; a list of them is a model's schedule.</summary>
/// <remarks>
/// Options of your own make a mixer of your own, and stand in a model's schedule beside the others: such a model is
/// trained, generates and keeps its state as any other, but no published format can express it.
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
    /// A size is not positive, a range is empty, or widths do not divide.
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
    /// What decides the shape and the meaning of the layer's state, in words that do not depend on the culture: layers
    /// with the same words can use each other's states and saved states.
    /// </summary>
    /// <returns>
    /// The name of the class and the width, unless it is overridden. Name in it every option that decides the state.
    /// </returns>
    public virtual string DescribeState() => FormattableString.Invariant($"{GetType().FullName} (width {ModelDim})");

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
