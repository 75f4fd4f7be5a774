using Mamba.Checkpoints;

namespace Mamba.Models.Checkpoints;

/// <summary>The allow-list of a PyTorch state dictionary: tensors, storages and dictionaries.</summary>
/// <param name="entries">The files in the archive.</param>
/// <param name="folder">The folder in the archive, with a trailing slash.</param>
internal sealed class TorchAllowList(IReadOnlyDictionary<string, ZipEntry> entries, string folder) : IPickleAllowList
{
    private enum Function
    {
        OrderedDict,
        RebuildTensor,
        RebuildParameter,
    }

    public object? Global(string module, string name) => (module, name) switch
    {
        ("collections", "OrderedDict") => Function.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2") => Function.RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => Function.RebuildParameter,
        ("torch" or "torch.storage", "DoubleStorage") => ElementType.F64,
        ("torch" or "torch.storage", "FloatStorage") => ElementType.F32,
        ("torch" or "torch.storage", "HalfStorage") => ElementType.F16,
        ("torch" or "torch.storage", "BFloat16Storage") => ElementType.BF16,
        ("torch" or "torch.storage", "LongStorage") => ElementType.I64,
        ("torch" or "torch.storage", "IntStorage") => ElementType.I32,
        _ => null,
    };

    public object? Call(object? callable, object?[] arguments) => (callable, arguments) switch
    {
        (Function.OrderedDict, []) => new Dictionary<string, object?>(),

        // storage, offset, sizes, strides, requires_grad, backward hooks and, in newer files, metadata
        (Function.RebuildTensor, [TorchStorage storage, long offset, object?[] sizes, object?[] strides, _, _, ..]) =>
            new TorchTensor(storage, offset, Numbers(sizes), Numbers(strides)),

        // tensor, requires_grad, backward hooks
        (Function.RebuildParameter, [TorchTensor tensor, _, _]) => tensor,
        _ => null,
    };

    /// <summary>Finds a storage by the type, key, device and number of elements that the pickle gives.</summary>
    public object? Persistent(object? id)
    {
        if (id is not (object?[] and ["storage", ElementType type, string key, string, long count]))
        {
            return null;
        }

        string name = $"{folder}data/{key}";
        if (entries.GetValueOrDefault(name) is { IsDeflated: true })
        {
            throw new InvalidDataException(
                $"expected the storage \"{name}\" as it is, which is how PyTorch writes it; found it compressed. " +
                "Unpack the archive and pack it without compression.");
        }

        if (!entries.TryGetValue(name, out ZipEntry? entry))
        {
            throw new InvalidDataException($"expected a storage \"{name}\" in the archive; found none.");
        }

        return count >= 0 && count <= entry.Length / type.Size() && count * type.Size() == entry.Length
            ? new TorchStorage(entry, type, count)
            : throw new InvalidDataException(
                $"expected {count} elements {type} in \"{name}\"; found {entry.Length} bytes.");
    }

    private static long[] Numbers(object?[] values)
    {
        if (values.Length > TensorInfo.MaxRank)
        {
            throw new InvalidDataException(
                $"expected a tensor of at most {TensorInfo.MaxRank} axes; found {values.Length}.");
        }

        return Array.ConvertAll(values, value => value is long number
            ? number
            : throw new InvalidDataException($"expected integers; found {Pickle.Describe(value)}."));
    }
}
