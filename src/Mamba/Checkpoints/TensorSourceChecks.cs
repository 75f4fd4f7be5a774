namespace Mamba.Checkpoints;

/// <summary>Checks what is asked of a checkpoint.</summary>
internal static class TensorSourceChecks
{
    /// <summary>Finds a tensor.</summary>
    /// <exception cref="InvalidDataException">There is no such tensor.</exception>
    public static TensorInfo Find(this ITensorSource source, string name) =>
        source.Tensors.TryGetValue(name, out TensorInfo? info)
            ? info
            : throw new InvalidDataException(
                $"{source.Path}: expected a tensor \"{name}\"; found none of that name among {source.Tensors.Count}.");

    /// <summary>Checks that a span is as long as a tensor.</summary>
    public static void CheckWhole(this ITensorSource source, TensorInfo info, int length)
    {
        if (length != info.Count)
        {
            throw new ArgumentException(
                $"{source.Path}: tensor \"{info.Name}\" is {info}, {info.Count} elements; found a span of {length}.");
        }
    }

    /// <summary>Checks that a tensor has the sizes that something else demands.</summary>
    public static void CheckShape(this ITensorSource source, TensorInfo info, int[] expected, string because)
    {
        bool equal = info.Shape.Length == expected.Length;
        for (int i = 0; equal && i < expected.Length; i++)
        {
            equal = info.Shape[i] == expected[i];
        }

        if (!equal)
        {
            throw new InvalidDataException(
                $"{source.Path}: \"{info.Name}\" has shape [{string.Join(", ", info.Shape.ToArray())}]; " +
                $"expected [{string.Join(", ", expected)}] {because}.");
        }
    }

    /// <summary>Checks that a part lies inside a tensor.</summary>
    public static void CheckRange(this ITensorSource source, TensorInfo info, long start, int length)
    {
        if (start < 0 || start > info.Count - length)
        {
            throw new ArgumentException(
                $"{source.Path}: tensor \"{info.Name}\" is {info}, {info.Count} elements; " +
                $"found a request for {length} from element {start}.");
        }
    }

    /// <summary>Checks that a tensor's elements are of a type that can be read as asked.</summary>
    public static void CheckType(this ITensorSource source, TensorInfo info, bool readable, string expected)
    {
        if (!readable)
        {
            throw new InvalidDataException(
                $"{source.Path}: tensor \"{info.Name}\": expected elements {expected}; found {info.Type}.");
        }
    }
}
