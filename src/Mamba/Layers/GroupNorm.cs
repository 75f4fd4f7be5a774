using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Layers;

/// <summary>Group normalisation: normalises groups of neighbouring channels over all positions of a sample.</summary>
/// <remarks>See <see cref="Functions.GroupNorm"/>.</remarks>
/// <example>
/// <code>
/// using GroupNorm norm = new(device, channels: 64, groups: 8);
/// DeviceArray y = norm.Forward(images);                                 // [batch, height, width, 64]
/// </code>
/// </example>
public sealed class GroupNorm : Module, ILayer
{
    /// <summary>Makes the layer, with weights of one and a bias of zero.</summary>
    /// <param name="device">Device that holds the weights.</param>
    /// <param name="channels">Number of channels.</param>
    /// <param name="groups">
    /// Number of groups, a divisor of the channels; one group per channel is instance norm.
    /// </param>
    /// <param name="epsilon">ε, inside the square root.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// ε is not a positive finite number, or the groups do not divide the channels.
    /// </exception>
    public GroupNorm(Device device, int channels, int groups, float epsilon = 1e-5f)
        : base(device)
    {
        Setting.RequirePositiveFloat(epsilon, nameof(epsilon));
        Setting.Require(
            groups >= 1 && channels % groups == 0, nameof(groups), $"a divisor of the {channels} channels", groups);
        (Groups, Epsilon) = (groups, epsilon);
        Weight = AddParameter("weight", [channels], values => values.Fill(1f));
        Bias = AddParameter("bias", [channels], values => values.Clear());
    }

    /// <summary>Number of groups.</summary>
    public int Groups { get; }

    /// <summary>w, shape [channels].</summary>
    public Parameter Weight { get; }

    /// <summary>b, shape [channels].</summary>
    public Parameter Bias { get; }

    /// <summary>ε.</summary>
    public float Epsilon { get; }

    /// <summary>Normalises each sample.</summary>
    /// <param name="x">Shape [batch, .., channels].</param>
    /// <returns>The same shape.</returns>
    /// <exception cref="ArgumentException">x has another number of channels, or only one axis.</exception>
    public DeviceArray Forward(DeviceArray x)
    {
        RequireWidth(x, Weight.Value.Shape.Width);
        return Functions.GroupNorm(x, Groups, Weight.Value, Bias.Value, Epsilon);
    }
}
