using Mamba.Checkpoints;

namespace Mamba.Models.Checkpoints;

/// <summary>A storage in the archive, which tensors are views of.</summary>
/// <param name="Entry">The file in the archive.</param>
/// <param name="Type">Type of the elements.</param>
/// <param name="Count">Number of elements.</param>
internal sealed record TorchStorage(ZipEntry Entry, ElementType Type, long Count);

/// <summary>A view of a storage, which several may share.</summary>
internal sealed class TorchTensor
{
    private readonly long[] _strides;

    /// <summary>
    /// Creates a view of at most <see cref="TensorInfo.MaxRank"/> axes, and checks that it lies in its storage.
    /// </summary>
    /// <exception cref="InvalidDataException">Sizes, strides, offset and storage are inconsistent.</exception>
    public TorchTensor(TorchStorage storage, long offset, long[] sizes, long[] strides)
    {
        if (sizes.Length != strides.Length || offset < 0 || sizes.Any(long.IsNegative) || strides.Any(long.IsNegative))
        {
            throw new InvalidDataException($"expected a stride for each size, and nothing negative; found {View()}.");
        }

        try
        {
            Info = new("", storage.Type, sizes, checked(offset * storage.Type.Size()));
            long end = offset;
            for (int axis = 0; axis < sizes.Length && Info.Count > 0; axis++)
            {
                end = checked(end + ((sizes[axis] - 1) * strides[axis]));
            }

            // A view may repeat elements but not be longer than its storage, so the file limits the memory for it.
            if (Info.Count > storage.Count || (Info.Count > 0 && end >= storage.Count))
            {
                throw new InvalidDataException($"expected a view within {storage.Count} elements; found {View()}.");
            }
        }
        catch (OverflowException)
        {
            throw new InvalidDataException($"expected a view within {storage.Count} elements; found {View()}.");
        }

        Storage = storage;
        _strides = strides;
        IsContiguous = FollowsRowMajorOrder(sizes, strides);

        string View() => $"sizes [{string.Join(", ", sizes)}], strides [{string.Join(", ", strides)}], offset {offset}";
    }

    public TorchStorage Storage { get; }

    /// <summary>Type and sizes, without a name: the dictionary around the tensors names them.</summary>
    public TensorInfo Info { get; }

    /// <summary>Whether the elements are contiguous.</summary>
    public bool IsContiguous { get; }

    /// <summary>Copies the stored elements into row-major order.</summary>
    /// <param name="storage">The storage's bytes.</param>
    /// <param name="start">First element, in row-major order.</param>
    /// <param name="target">Receives whole elements.</param>
    public unsafe void Gather(byte* storage, long start, Span<byte> target)
    {
        int size = Info.Type.Size(), rank = _strides.Length;
        Span<long> index = stackalloc long[TensorInfo.MaxRank];
        long place = Info.Offset;
        for (int axis = rank - 1; axis >= 0; axis--)
        {
            (start, index[axis]) = Math.DivRem(start, Info.Shape[axis]);
            place += index[axis] * _strides[axis] * size;
        }

        while (target.Length > 0)
        {
            new ReadOnlySpan<byte>(storage + place, size).CopyTo(target);
            target = target[size..];
            for (int axis = rank - 1; axis >= 0; axis--)
            {
                place += _strides[axis] * size;
                if (++index[axis] < Info.Shape[axis])
                {
                    break;
                }

                place -= Info.Shape[axis] * _strides[axis] * size; // back to the axis' start; the next axis advances
                index[axis] = 0;
            }
        }
    }

    private static bool FollowsRowMajorOrder(long[] sizes, long[] strides)
    {
        long expected = 1;
        for (int axis = sizes.Length - 1; axis >= 0; axis--)
        {
            if (sizes[axis] != 1 && strides[axis] != expected)
            {
                return false;
            }

            expected *= sizes[axis];
        }

        return true;
    }
}
