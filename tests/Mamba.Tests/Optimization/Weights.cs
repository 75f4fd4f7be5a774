using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Tests.Optimization;

/// <summary>A matrix that decays, a bias and a scalar that do not, whose gradients are given.</summary>
internal sealed class Weights : Module
{
    public Weights(Device device, int rows = 37)
        : base(device)
    {
        AddParameter("matrix", [rows, 19], Normal(1), decays: true);
        AddParameter("bias", [67], Normal(2));
        AddParameter("scalar", [1], Normal(3));
    }

    /// <summary>The values of all parameters, by name.</summary>
    public Dictionary<string, float[]> Values =>
        Parameters.ToDictionary(named => named.Name, named => named.Parameter.Value.ToArray());

    /// <summary>The gradient that a parameter has in a step.</summary>
    public static float[] Gradient(string name, int count, int step) =>
        Samples.Normal((100 * step) + name.Length, count, 0.1);

    /// <summary>Adds every parameter's gradient of a step to what is there.</summary>
    public void AddGradients(int step)
    {
        using DeviceScope scope = Device.Scope();
        using Tape tape = new(Device);
        tape.Backward([.. Parameters.Where(named => named.Parameter.IsTrainable).Select(GradientOf)]);

        (DeviceArray, DeviceArray) GradientOf((string Name, Parameter Parameter) named)
        {
            DeviceArray value = named.Parameter.Value;
            return (value, Device.Array(value.Shape, Gradient(named.Name, (int)value.Shape.Count, step)));
        }
    }

    private static Initializer Normal(int seed) => values => Samples.Normal(seed, values.Length).CopyTo(values);
}
