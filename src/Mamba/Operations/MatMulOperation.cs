using Mamba.Devices;
using Mamba.Memory;

namespace Mamba.Operations;

/// <summary><c>C = op(A)·op(B)</c>, where op is the identity or the transpose. Leading axes count as rows.</summary>
internal readonly record struct MatMulOperation : IOperation<MatMulOperation>
{
    /// <summary>A, [M, K], or [K, M] if it is transposed.</summary>
    public required DeviceArray A { get; init; }

    public bool TransposeA { get; init; }

    /// <summary>B, [K, N], or [N, K] if it is transposed.</summary>
    public required DeviceArray B { get; init; }

    public bool TransposeB { get; init; }

    /// <summary>C, [M, N].</summary>
    public DeviceArray C { get; init; }

    public MatMulOperation Map<TMap>(ref TMap map)
        where TMap : struct, IArrayMap => this with { A = map.Operand(A), B = map.Operand(B), C = map.Output(C) };

    public MatMulOperation Prepare(Device device, bool keep)
    {
        nint rows = TransposeA ? A.Shape.Width : A.Shape.Rows, columns = TransposeB ? B.Shape.Rows : B.Shape.Width;
        return this with { C = device.AllocateActivation([checked((int)rows), checked((int)columns)]) };
    }

    public void Forward(Device device) => device.MatMul(A, TransposeA, B, TransposeB, C, accumulate: false);

    public void Backward(Device device, in MatMulOperation gradients)
    {
        // C = P·Q with P = op(A), Q = op(B): gP = gC·Qᵀ and gQ = Pᵀ·gC, transposed if the factor is.
        (DeviceArray ga, DeviceArray gb, DeviceArray gc) = (gradients.A, gradients.B, gradients.C);
        if (ga.Exists && TransposeA)
        {
            device.MatMul(B, TransposeB, gc, true, ga, accumulate: true); // (gC·Qᵀ)ᵀ = Q·gCᵀ
        }
        else if (ga.Exists)
        {
            device.MatMul(gc, false, B, !TransposeB, ga, accumulate: true);
        }

        if (gb.Exists && TransposeB)
        {
            device.MatMul(gc, true, A, TransposeA, gb, accumulate: true); // (Pᵀ·gC)ᵀ = gCᵀ·P
        }
        else if (gb.Exists)
        {
            device.MatMul(A, !TransposeA, gc, false, gb, accumulate: true);
        }
    }
}
