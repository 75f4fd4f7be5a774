namespace Mamba.Devices;

/// <summary>How rotary positions turn the first entries of every head.</summary>
/// <param name="HeadDim">Width of a head.</param>
/// <param name="RotaryDim">How many entries of a head turn; even.</param>
/// <param name="Offset">Position of every sequence's first token.</param>
/// <param name="Base">Base of the frequencies.</param>
/// <param name="Interleaved">Whether neighbours form a pair, instead of entries half of RotaryDim apart.</param>
public readonly record struct RotaryOptions(
    int HeadDim, int RotaryDim, int Offset = 0, double Base = 10000, bool Interleaved = false)
{
    internal void Validate(Shape shape)
    {
        if (HeadDim < 1 || RotaryDim < 0 || RotaryDim > HeadDim || RotaryDim % 2 != 0 || shape.Width % HeadDim != 0)
        {
            throw new ArgumentException(
                $"Expected whole heads and an even RotaryDim of at most HeadDim; found {shape} with {this}.");
        }
    }
}
