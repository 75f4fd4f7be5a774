using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary><c>y = start + x·Wᵀ + b + scale·(x·Aᵀ)·Bᵀ</c>: a linear map with a low-rank adapter.</summary>
internal readonly record struct AdapterOperation : IOperation<AdapterOperation>
{
    /// <summary>x, W, b and the start; its y is the output of the whole operation.</summary>
    public required LinearOperation Linear { get; init; }

    /// <summary>A, [rank, K].</summary>
    public required DeviceArray A { get; init; }

    /// <summary>B, [N, rank].</summary>
    public required DeviceArray B { get; init; }

    /// <summary>Factor of the adapter.</summary>
    public required float Scale { get; init; }

    /// <summary><c>scale·x·Aᵀ</c>, for the forward pass and the gradient of B.</summary>
    public DeviceArray Low { get; init; }

    public AdapterOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap =>
        this with { Linear = Linear.Map(ref map), A = map.Operand(A), B = map.Operand(B) };

    public AdapterOperation Prepare(Device device, bool keep)
    {
        DeviceArray x = Linear.X, weight = Linear.Weight;
        DeviceArray.Require("A", A);
        DeviceArray.Require("A", A, [A.Shape[0], x.Shape.Width]);
        DeviceArray.Require("B", B, [weight.Shape[0], A.Shape[0]]);
        return this with
        {
            Linear = Linear.Prepare(device, keep),
            Low = device.AllocateActivation(x.Shape.WithWidth(A.Shape[0])),
        };
    }

    public void Forward(Device device)
    {
        Linear.Forward(device);
        device.Linear(new() { X = Linear.X, Weight = A, Y = Low });
        device.Scale(Low, Scale, Low);
        device.Linear(new() { X = Low, Weight = B, Start = Linear.Y, Y = Linear.Y });
    }

    public void Backward(Device device, in AdapterOperation gradients)
    {
        Linear.Backward(device, gradients.Linear);
        (DeviceArray gx, DeviceArray gy) = (gradients.Linear.X, gradients.Linear.Y);
        if (gradients.B.Exists)
        {
            device.MatMul(gy, true, Low, false, gradients.B, accumulate: true); // gB += gyᵀ·(scale·x·Aᵀ)
        }

        if (!gx.Exists && !gradients.A.Exists)
        {
            return;
        }

        using DeviceScope scope = device.Scope();
        DeviceArray glow = device.Allocate(Low.Shape);
        device.MatMul(gy, false, B, false, glow, accumulate: false);
        device.Scale(glow, Scale, glow);
        if (gx.Exists)
        {
            device.MatMul(glow, false, A, false, gx, accumulate: true); // gx += (scale·gy·B)·A
        }

        if (gradients.A.Exists)
        {
            device.MatMul(glow, true, Linear.X, false, gradients.A, accumulate: true); // gA += (scale·gy·B)ᵀ·x
        }
    }
}
