using Mamba.Gpu;
using Mamba.Memory;
using Mamba.Models.Generation;

namespace Mamba.Cli.Text;

/// <summary>What to generate with.</summary>
/// <param name="Model">The model, as the user named it.</param>
/// <param name="Tokenizer">The tokenizer; null: the model's.</param>
/// <param name="Weights">Precision of the weights; null: as the files have them.</param>
/// <param name="Device">The device.</param>
/// <param name="Generation">Sampling and limits.</param>
/// <param name="Stops">Texts that end the generation.</param>
internal sealed record TextSettings(
    string Model, string? Tokenizer, Precision? Weights, DeviceName Device, GenerationOptions Generation,
    string[] Stops);
