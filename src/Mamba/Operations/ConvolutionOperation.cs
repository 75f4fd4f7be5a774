using Mamba.Devices;
using Mamba.Memory;
using Mamba.Orders;

namespace Mamba.Operations;

/// <summary>
/// Depthwise convolution over time: <c>y_t = f(bias + Σ_k w[k]·x_{t-left+k})</c>, f the identity or SiLU, zeros beyond
/// the ends of a sequence.
/// </summary>
internal readonly record struct ConvolutionOperation : IOperation<ConvolutionOperation>
{
    /// <summary>x, [batch, length, channels].</summary>
    public required DeviceArray X { get; init; }

    /// <summary>w, [K, channels].</summary>
    public required DeviceArray Weight { get; init; }

    /// <summary>The bias, [channels]; optional.</summary>
    public DeviceArray Bias { get; init; }

    /// <summary>Whether f is SiLU.</summary>
    public bool Silu { get; init; }

    /// <summary>
    /// Whether the filter covers only the token and earlier ones (left = K-1); otherwise it covers both sides (left =
    /// ⌊(K-1)/2⌋).
    /// </summary>
    public required bool IsCausal { get; init; }

    /// <summary>
    /// The inputs before the first token, [sequences, K-1, channels], oldest first; optional, causal filters only.
    /// </summary>
    public DeviceArray InitialWindow { get; init; }

    public Segments? Segments { get; init; }

    /// <summary>The order in which tokens are visited, a permutation; null for their order in x.</summary>
    public ScanOrder? Order { get; init; }

    /// <summary>The row of the window for each sequence; null if sequence i has row i.</summary>
    public StateSlots? Slots { get; init; }

    /// <summary>y, in the shape of x.</summary>
    public DeviceArray Y { get; init; }

    /// <summary>
    /// The last K-1 inputs of every sequence, in the shape of the initial window; may be the initial window itself.
    /// Causal filters only.
    /// </summary>
    public DeviceArray FinalWindow { get; init; }

    /// <summary>The sequences.</summary>
    public Sequences Sequences { get; private init; }

    /// <summary>K, the width of the filter.</summary>
    public int Width => Weight.Shape[0];

    /// <summary>Number of channels.</summary>
    public int Channels => X.Shape.Width;

    /// <summary>Number of earlier tokens that the filter covers.</summary>
    public int Left => IsCausal ? Width - 1 : (Width - 1) / 2;

    public ConvolutionOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with
        {
            X = map.Operand(X),
            Weight = map.Operand(Weight),
            Bias = map.Operand(Bias),
            InitialWindow = map.Operand(InitialWindow),
            Y = map.Output(Y),
            FinalWindow = map.Output(FinalWindow),
        };

    public ConvolutionOperation Prepare(Device device, bool keep)
    {
        Sequences sequences = new(X.Shape, Segments, Slots, InitialWindow);
        if (Weight.Shape.Rank != 2 || Width < 1 || Weight.Shape.Width != Channels)
        {
            throw new ArgumentException($"Expected a weight [width, {Channels}] for {X.Shape}; found {Weight.Shape}.");
        }

        Shape window = [sequences.StateCount, Width - 1, Channels];
        DeviceArray.RequireOptional("the bias", Bias, [Channels]);
        DeviceArray.RequireOptional("the window [states, width - 1, channels]", InitialWindow, window);
        return this with
        {
            Sequences = sequences,
            Y = device.AllocateOutput(X.Shape, X.Precision),
            FinalWindow = FinalWindow.Exists || !IsCausal ? FinalWindow : device.AllocateOutput(window),
        };
    }

    public void Forward(Device device) => device.Convolution(this);

    public void Backward(Device device, in ConvolutionOperation gradients)
    {
        if (gradients.Y.Exists)
        {
            device.ConvolutionBackward(this, gradients);
            return;
        }

        // Only the final window has a gradient, which is rare: the gradient of y is zero.
        using DeviceScope scope = device.Scope();
        device.ConvolutionBackward(this, gradients with { Y = device.Zeros(Y.Shape) });
    }
}
