using Mamba.Autograd;
using Mamba.Memory;
using Mamba.Operations;

namespace Mamba.Layers;

/// <summary>
/// A layer of a model: <c>h += mixer(norm(h))</c>, followed by <c>h += mlp(norm(h))</c> if there is an MLP.
/// </summary>
/// <example>
/// <code>
/// using ResidualBlock block = new(new MambaMixer(device, new() { ModelDim = 64 }, random), 64);
/// DeviceArray y = block.Forward(x);          // x + mixer(norm(x))
/// </code>
/// </example>
public sealed class ResidualBlock : Module, ILayer
{
    private readonly SharedInputMixer? _shared;

    /// <summary>Makes the layer.</summary>
    /// <param name="mixer">Mixes tokens. This block frees it.</param>
    /// <param name="modelDim">Width of the model.</param>
    /// <param name="epsilon">ε of the norms; a <see cref="SharedInputMixer"/> has its own.</param>
    /// <param name="mlp">Mixes channels; null for none. This block frees it.</param>
    /// <param name="scale">Constant factor of what the mixer and the MLP add.</param>
    /// <param name="postNorm">Whether the mixer's output is normalised before it is added.</param>
    /// <exception cref="ArgumentException">ε is not positive, or the factor is not finite.</exception>
    public ResidualBlock(
        SequenceMixer mixer,
        int modelDim,
        float epsilon = 1e-5f,
        GatedMlp? mlp = null,
        float scale = 1,
        bool postNorm = false)
        : base((mixer ?? throw new ArgumentNullException(nameof(mixer))).Device)
    {
        Setting.RequireFinite(scale, nameof(scale));
        Scale = scale;
        _shared = mixer as SharedInputMixer;
        Norm = AddModule("norm", _shared?.Norm ?? new RmsNorm(Device, modelDim, epsilon));
        Mixer = AddModule("mixer", mixer);
        PostNorm = postNorm ? AddModule("post_norm", new RmsNorm(Device, modelDim, epsilon)) : null;
        if (mlp is not null)
        {
            MlpNorm = AddModule("mlp_norm", new RmsNorm(Device, modelDim, epsilon));
            Mlp = AddModule("mlp", mlp);
        }
    }

    /// <summary>Constant factor of what the mixer and the MLP add to the residual stream.</summary>
    public float Scale { get; }

    /// <summary>The norm before the mixer.</summary>
    public RmsNorm Norm { get; }

    /// <summary>The token mixer.</summary>
    public SequenceMixer Mixer { get; }

    /// <summary>The norm after the mixer; null if absent.</summary>
    public RmsNorm? PostNorm { get; }

    /// <summary>The norm before the MLP; null if absent.</summary>
    public RmsNorm? MlpNorm { get; }

    /// <summary>The MLP, which mixes channels; null if absent.</summary>
    public GatedMlp? Mlp { get; }

    /// <summary>Computes the layer for whole sequences, or for the next piece of each.</summary>
    /// <param name="h">The residual stream, shape [batch, length, modelDim].</param>
    /// <param name="state">As in <see cref="SequenceMixer.Forward"/>.</param>
    /// <param name="segments">As in <see cref="SequenceMixer.Forward"/>.</param>
    /// <returns>The residual stream, of the same shape.</returns>
    public DeviceArray Forward(DeviceArray h, LayerState? state = null, Segments? segments = null) =>
        Forward(new ResidualStream(h), state, segments).Sum();

    /// <summary>The same for a stack of blocks: the norm of the next block adds this block's output.</summary>
    /// <param name="h">The residual stream, shape [batch, length, modelDim].</param>
    /// <param name="state">As in <see cref="SequenceMixer.Forward"/>.</param>
    /// <param name="segments">As in <see cref="SequenceMixer.Forward"/>.</param>
    /// <returns>The residual stream, of the same shape.</returns>
    public ResidualStream Forward(ResidualStream h, LayerState? state = null, Segments? segments = null)
    {
        (DeviceArray input, DeviceArray sum) = InputOf(h);
        return Finish(h, sum, Mixer.Forward(input, state, segments));
    }

    DeviceArray ILayer.Forward(DeviceArray x) => Forward(x);

    /// <summary>
    /// <see cref="Forward(DeviceArray, LayerState?, Segments?)"/> with activation checkpointing: a tape keeps only the
    /// inputs, and the backward pass recomputes the rest.
    /// </summary>
    internal ResidualStream ForwardRecomputed(ResidualStream h, LayerState? state, Segments? segments)
    {
        // The block adds its output itself, because the tape would keep both arrays of the stream.
        using StateUse use = new(state);
        LayerState? before = state?.Over([.. state.Arrays]), after = before;
        DeviceArray[] stream = h.Embeddings.Exists ? [h.Sum(), h.Embeddings] : [h.Sum()];
        DeviceArray[] outputs = Functions.Recompute(
            inputs =>
            {
                after = before?.Over(inputs.AsSpan(stream.Length));
                ResidualStream own = new(inputs[0], default, stream.Length > 1 ? inputs[1] : default);
                return [Forward(own, after, segments).Sum(), .. after?.Arrays ?? []];
            },
            [.. stream, .. before?.Arrays ?? []]);
        state?.TakeFrom(after!.Over(outputs.AsSpan(1)));
        return new(outputs[0], default, h.Embeddings);
    }

    /// <summary>Computes the layer for the next token of every sequence.</summary>
    /// <param name="h">The residual stream, shape [batch, 1, modelDim].</param>
    /// <param name="state">The state of the earlier tokens; updated in place.</param>
    /// <param name="slots">As in <see cref="SequenceMixer.Step"/>.</param>
    /// <returns>The residual stream, of the same shape.</returns>
    public DeviceArray Step(DeviceArray h, LayerState state, StateSlots? slots = null) =>
        Step(new ResidualStream(h), state, slots).Sum();

    /// <summary>The same for a stack of blocks: the norm of the next block adds this block's output.</summary>
    /// <param name="h">The residual stream, shape [batch, 1, modelDim].</param>
    /// <param name="state">The state of the earlier tokens; updated in place.</param>
    /// <param name="slots">As in <see cref="SequenceMixer.Step"/>.</param>
    /// <returns>The residual stream, of the same shape.</returns>
    public ResidualStream Step(ResidualStream h, LayerState state, StateSlots? slots = null)
    {
        if (!IsRecording && Mixer is RecurrentMixer { StepsFromStream: true } recurrent)
        {
            (DeviceArray y, DeviceArray stream) = recurrent.Step(h, Norm, state, slots);
            return Finish(h, stream, y);
        }

        (DeviceArray input, DeviceArray sum) = InputOf(h);
        return Finish(h, sum, Mixer.Step(input, state, slots));
    }

    /// <summary>Several tokens of one sequence, one after the other: <see cref="SequenceMixer.StepEach"/>.</summary>
    internal ResidualStream StepEach(ResidualStream h, LayerState state, Action<int> after)
    {
        (DeviceArray input, DeviceArray sum) = InputOf(h);
        return Finish(h, sum, Mixer.StepEach(input, state, after));
    }

    /// <summary>The input of the mixer, and the stream as one array.</summary>
    private (DeviceArray Input, DeviceArray Sum) InputOf(ResidualStream h)
    {
        if (_shared is null)
        {
            return Norm.Forward(h);
        }

        if (!h.Embeddings.Exists)
        {
            throw new ArgumentException(
                "The mixer of this block reads the embeddings. Expected a ResidualStream with Embeddings; found none.",
                nameof(h));
        }

        DeviceArray sum = h.Sum();
        return (Functions.Concat(sum, h.Embeddings), sum);
    }

    private ResidualStream Finish(ResidualStream before, DeviceArray h, DeviceArray mixed)
    {
        mixed = Functions.Scaled(PostNorm?.Forward(mixed) ?? mixed, Scale);
        if (Mlp is null)
        {
            return new(h, mixed, before.Embeddings);
        }

        (DeviceArray normed, DeviceArray sum) = MlpNorm!.Forward(mixed, h);
        return new(sum, Functions.Scaled(Mlp.Forward(normed), Scale), before.Embeddings);
    }
}
