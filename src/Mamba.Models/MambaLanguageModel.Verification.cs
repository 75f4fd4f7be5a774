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
    /// layer is computed. Matrices multiply them together, like the texts of a batch, of which each has the bits that
    /// it has alone; only what is recurrent is computed token by token. So weights come from memory once.
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
        ResidualStream h = StreamOf(EmbedTokens(Device.Indices(ids), ids.Length, 1));
        for (int i = 0; i < _blocks.Length; i++)
        {
            LayerState layer = state.Layers[i], kept = snapshots.Layers[i];
            h = _blocks[i].StepEach(h, layer, t => kept.CopySlot(t, layer, 0));
        }

        Logits(h).CopyTo(logits);
        long position = state.Positions[0];
        snapshots.SetPositions([.. Enumerable.Range(1, snapshots.Batch).Select(t => position + t)]);
        state.Advance(ids.Length);
    }
}
