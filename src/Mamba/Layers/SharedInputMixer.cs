using Mamba.Devices;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>
/// A mixer that reads the residual stream plus the output of a transformer block, which several layers share: it
/// computes <c>mixer(norm(h + block([h, e])·Wᵀ))</c> from the stream h and the embeddings e.
/// </summary>
/// <remarks>
/// Glorioso et al., Zamba2, <see href="https://arxiv.org/abs/2411.15242"/>, section 2. The block's output is input of
/// the mixer alone, not part of the stream. Each layer may add projections of low rank to those of the block. The norm
/// is here, so the input is h and e side by side: <see cref="ResidualBlock"/> passes them.
/// </remarks>
/// <example>
/// <code>
/// SharedInputMixer mixer = (SharedInputMixer)model.Blocks[1].Mixer;
/// Console.WriteLine(mixer.Shared == ((SharedInputMixer)model.Blocks[2].Mixer).Shared); // True
/// </code>
/// </example>
public sealed class SharedInputMixer : SequenceMixer
{
    private readonly SharedInputMixerOptions _options;

    internal SharedInputMixer(
        Device device,
        SharedInputMixerOptions options,
        Random? random,
        double outputScale,
        SharedTransformerBlock shared)
        : base(device)
    {
        _options = options;
        int dim = options.ModelDim;
        Shared = AddModule("shared", shared);
        if (options.AttentionAdapters)
        {
            AttentionMixerOptions attention = options.Attention;
            int queries = attention.Heads * attention.HeadDim, keys = attention.KeyValueHeads * attention.HeadDim;
            AttentionAdapter = AddModule(
                "attention_adapter",
                new LowRankProjection(device, 2 * dim, options.AdapterRank, random, queries, keys, keys));
        }

        if (options.AdapterRank > 0)
        {
            MlpAdapter = AddModule(
                "mlp_adapter",
                new LowRankProjection(device, dim, options.AdapterRank, random, 2 * options.Mlp.HiddenDim));
        }

        Projection = AddModule("projection", new Linear(device, dim, dim, false, random));
        Norm = AddModule("norm", new RmsNorm(device, dim, options.NormEpsilon));
        Mixer = AddModule("mixer", options.Mixer.Create(device, random, outputScale));
    }

    /// <summary>The transformer block, which other layers may share.</summary>
    public SharedTransformerBlock Shared { get; }

    /// <summary>W, the projection of the block's output.</summary>
    public Linear Projection { get; }

    /// <summary>The norm before the mixer.</summary>
    public RmsNorm Norm { get; }

    /// <summary>The mixer.</summary>
    public SequenceMixer Mixer { get; }

    private LowRankProjection? AttentionAdapter { get; }

    private LowRankProjection? MlpAdapter { get; }

    /// <inheritdoc/>
    public override LayerState CreateState(int batch) => CompositeState.Of(batch, Shared.Attention, Mixer);

    /// <inheritdoc/>
    public override bool Fits(LayerState state) =>
        state is CompositeState { Parts: [LayerState attention, LayerState mixer] }
        && Shared.Attention.Fits(attention) && Mixer.Fits(mixer);

    /// <summary>Mixes whole sequences, or the next piece of each.</summary>
    /// <param name="x">Stream and embeddings side by side, shape [batch, length, 2·modelDim].</param>
    /// <param name="state">As in <see cref="SequenceMixer.Forward"/>.</param>
    /// <param name="segments">As in <see cref="SequenceMixer.Forward"/>.</param>
    /// <returns>Shape [batch, length, modelDim].</returns>
    /// <exception cref="ArgumentException">A shape or the state's batch does not fit.</exception>
    public override DeviceArray Forward(DeviceArray x, LayerState? state = null, Segments? segments = null)
    {
        using StateUse use = new(state);
        Require(x, 2 * _options.ModelDim, state, segments);
        CompositeState? draft = (CompositeState?)state?.Draft();
        DeviceArray normed = Shared.InputNorm.Forward(x);
        DeviceArray attended = Shared.Attention.Forward(normed, draft?.Parts[0], segments, Adapted(normed));
        DeviceArray y = Mixer.Forward(InputOf(x, attended), draft?.Parts[1], segments);
        if (draft is not null)
        {
            state!.Commit(draft);
        }

        return y;
    }

    /// <summary>Mixes the next token of every sequence.</summary>
    /// <param name="x">Stream and embeddings side by side, shape [batch, 1, 2·modelDim].</param>
    /// <param name="state">As in <see cref="SequenceMixer.Step"/>.</param>
    /// <param name="slots">As in <see cref="SequenceMixer.Step"/>.</param>
    /// <returns>Shape [batch, 1, modelDim].</returns>
    /// <exception cref="ArgumentException">A shape, the state's batch, or a slot does not fit.</exception>
    public override DeviceArray Step(DeviceArray x, LayerState state, StateSlots? slots = null)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (IsRecording || state.IsDraft)
        {
            RequireNoSlots(slots);
            return Forward(x, state);
        }

        using StateUse use = new(state);
        Require(x, 2 * _options.ModelDim, state, null, slots);
        CompositeState own = (CompositeState)state;
        own.Reserve(x.Shape[1], null, slots); // before the step changes anything
        using StepGuard guard = new(this, own, slots);
        DeviceArray normed = Shared.InputNorm.Forward(x);
        DeviceArray attended = Shared.Attention.Step(normed, own.Parts[0], slots, Adapted(normed));
        return guard.Done(Mixer.Step(InputOf(x, attended), own.Parts[1], slots));
    }

    private DeviceArray Adapted(DeviceArray normed) => AttentionAdapter?.Forward(normed) ?? default;

    /// <summary>The input of the mixer.</summary>
    private DeviceArray InputOf(DeviceArray x, DeviceArray attended)
    {
        DeviceArray block = Projection.Forward(Shared.Finish(attended, MlpAdapter));
        return Norm.Forward(block, x.Slice(0, _options.ModelDim)).Y;
    }
}
