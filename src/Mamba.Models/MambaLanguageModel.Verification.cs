using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models.Generation;

namespace Mamba.Models;

public sealed partial class MambaLanguageModel
{
    /// <summary>
    /// Reads tokens of one text as steps do, to the bit, but layer by layer: all tokens pass a layer before the next
    /// layer is computed, so that its weights come from memory once.
    /// </summary>
    /// <param name="ids">The tokens.</param>
    /// <param name="state">The state of one text. If the call fails, it must not be used any more.</param>
    /// <param name="snapshots">A pool that receives the state after each token, the first one in slot 0.</param>
    /// <param name="logits">Receives [tokens, paddedVocabularySize].</param>
    internal void StepEach(ReadOnlySpan<int> ids, ModelState state, ModelState snapshots, Span<float> logits)
    {
        RequireIds(ids, nameof(ids));
        using ModelStateUse use = new(state), writing = new(snapshots);
        using DeviceScope scope = Device.Scope();
        using Tape.Suspension pause = Tape.Suspend(Device);
        state.Reserve(ids.Length, null);
        ResidualStream[] streams = new ResidualStream[ids.Length];
        for (int t = 0; t < ids.Length; t++)
        {
            streams[t] = StreamOf(EmbedTokens(Device.Indices(ids.Slice(t, 1)), 1, 1));
        }

        for (int i = 0; i < _blocks.Length; i++)
        {
            for (int t = 0; t < ids.Length; t++)
            {
                streams[t] = _blocks[i].Step(streams[t], state.Layers[i]);
                snapshots.Layers[i].CopySlot(t, state.Layers[i], 0);
            }
        }

        // As many texts of a batch, each of which gives the bits that it gives alone.
        DeviceArray residual = Functions.Concat(0, Array.ConvertAll(streams, stream => stream.Residual));
        DeviceArray update = Functions.Concat(0, Array.ConvertAll(streams, stream => stream.Update));
        Logits(new ResidualStream(residual, update)).CopyTo(logits);
        long position = state.Positions[0];
        snapshots.SetPositions([.. Enumerable.Range(1, snapshots.Batch).Select(t => position + t)]);
        state.Advance(ids.Length);
    }
}
