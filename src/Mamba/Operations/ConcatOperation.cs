using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary>Concatenates two arrays along the last axis.</summary>
/// <remarks>
/// <see cref="JoinOperation"/> allocates an array for its operands; decoding steps must not allocate, so they use this.
/// </remarks>
internal readonly record struct ConcatOperation : IOperation<ConcatOperation>
{
    /// <summary>Shape [.., m].</summary>
    public required DeviceArray A { get; init; }

    /// <summary>Shape [.., n], the other axes as in a.</summary>
    public required DeviceArray B { get; init; }

    /// <summary>Shape [.., m + n].</summary>
    public DeviceArray Y { get; init; }

    public ConcatOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { A = map.Operand(A), B = map.Operand(B), Y = map.Output(Y) };

    public ConcatOperation Prepare(Device device, bool keep)
    {
        if (A.Shape.WithWidth(B.Shape.Width) != B.Shape)
        {
            throw new ArgumentException($"Only the last axes may differ; found {A.Shape} and {B.Shape}.");
        }

        Shape shape = A.Shape.WithWidth(checked(A.Shape.Width + B.Shape.Width));
        return this with { Y = device.AllocateOutput(shape, A.Precision) };
    }

    public void Forward(Device device)
    {
        device.Copy(A, LeftOf(Y));
        device.Copy(B, RightOf(Y));
    }

    public void Backward(Device device, in ConcatOperation gradients)
    {
        device.AddIfWanted(LeftOf(gradients.Y), gradients.A);
        device.AddIfWanted(RightOf(gradients.Y), gradients.B);
    }

    private DeviceArray LeftOf(DeviceArray y) => y.Slice(0, A.Shape.Width);

    private DeviceArray RightOf(DeviceArray y) => y.Slice(A.Shape.Width, B.Shape.Width);
}
