using Mamba.Autograd;
using Mamba.Devices;

namespace Mamba.Layers;

/// <summary>
/// What the Mamba mixers and S4D have: a causal convolution in front of a state-space core, and their state.
/// </summary>
public abstract class RecurrentMixer : SequenceMixer
{
    private readonly Shape _hidden;

    private protected RecurrentMixer(
        Device device, DepthwiseConvolution convolution, Shape hidden, bool learnsInitialState, Random? random)
        : base(device)
    {
        _hidden = hidden;
        Convolution = AddModule("convolution", convolution);
        InitialState = learnsInitialState
            ? AddParameter("initial_state", hidden, Initial.Constant(random, 0f))
            : null;
    }

    /// <summary>The causal convolution: over x, in Mamba-2 over x, B and C.</summary>
    public DepthwiseConvolution Convolution { get; }

    /// <summary>h before the first token, of the shape of one sequence's h; null: zero.</summary>
    public Parameter? InitialState { get; private set; }

    /// <summary>Shape of one sequence's h.</summary>
    internal Shape HiddenShape => _hidden;

    /// <summary>
    /// Makes the state before the first token trainable: in a mixer without one, it begins as zero, which changes
    /// nothing.
    /// </summary>
    /// <returns>The initial state.</returns>
    public Parameter LearnInitialState()
    {
        InitialState ??= AddParameter("initial_state", _hidden, values => values.Clear());
        InitialState.IsTrainable = true;
        return InitialState;
    }

    /// <summary>Frees the initial state, if there is one: it is zero again.</summary>
    internal void ForgetInitialState()
    {
        if (InitialState is not null)
        {
            RemoveParameter(InitialState);
            InitialState = null;
        }
    }

    /// <inheritdoc/>
    public override LayerState CreateState(int batch)
    {
        MixerState state = new(this, batch);
        try
        {
            state.Refresh();
            return state;
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    private protected override bool Fits(LayerState state) => state is MixerState own && own.Fits(this);

    /// <summary>Convolves the next piece of every sequence.</summary>
    /// <returns>The piece, and the window after it.</returns>
    private protected (DeviceArray Y, DeviceArray Window) Convolve(
        DeviceArray x, MixerState? state, Segments? segments) =>
        Functions.CausalConvolution(
            x, Convolution.Weight.Value, Optional(Convolution.Bias), silu: true, state?.Window ?? default, segments);

    /// <summary>Convolves the next token of every sequence and moves the state's window on in place.</summary>
    private protected DeviceArray ConvolveStep(DeviceArray x, MixerState state) => Functions.CausalConvolutionStep(
        x, Convolution.Weight.Value, Optional(Convolution.Bias), silu: true, state.WindowInPlace);

    /// <summary>h before the first token of this piece: the state's, or what is learned, or nothing for zero.</summary>
    private protected DeviceArray HiddenBefore(MixerState? state, int sequences) =>
        state is not null ? state.HiddenBefore()
        : InitialState is not null ? Functions.Repeat(InitialState.Value, sequences)
        : default;
}
