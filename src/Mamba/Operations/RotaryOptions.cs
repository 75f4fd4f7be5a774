using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>Options of rotary position embeddings, which rotate the first entries of every head.</summary>
/// <param name="HeadDim">Width of a head.</param>
/// <param name="RotaryDim">Number of rotated entries of a head; even.</param>
/// <param name="Offset">Position of every sequence's first token, 0 or more.</param>
/// <param name="Base">Base of the frequencies, 1 or more.</param>
/// <param name="Interleaved">Whether a pair is two neighbours; otherwise its entries are RotaryDim/2 apart.</param>
/// <example>
/// <code>
/// RotaryOptions options = new(HeadDim: 64, RotaryDim: 64);
/// DeviceArray turned = Functions.Rotary(queries, options);              // [batch, length, heads·64]
/// </code>
/// </example>
public readonly record struct RotaryOptions(
    int HeadDim, int RotaryDim, int Offset = 0, double Base = 10000, bool Interleaved = false)
{
    internal void Validate(Shape shape)
    {
        if (HeadDim < 1 || shape.Width % HeadDim != 0)
        {
            throw Setting.Refusal(
                nameof(HeadDim), "positive and divide the width of the input", $"{HeadDim} with {shape}");
        }

        if (RotaryDim < 0 || RotaryDim > HeadDim || RotaryDim % 2 != 0)
        {
            throw Setting.Refusal(
                nameof(RotaryDim), "even and from 0 to HeadDim", $"{RotaryDim} with a HeadDim of {HeadDim}");
        }

        Setting.RequireNotNegative(Offset, nameof(Offset));
        Setting.Require(Base >= 1 && double.IsFinite(Base), nameof(Base), "a number from 1 on", Base);
    }
}
