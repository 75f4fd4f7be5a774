namespace Mamba.Checkpoints;

/// <summary>A safetensors file, mapped into memory: opening reads the header only.</summary>
/// <remarks>
/// The format: the length of the header (64 bits, little-endian), the header (JSON: name → type, shape, place), the
/// elements. See <see href="https://huggingface.co/docs/safetensors"/>. The header is not trusted: types, sizes and
/// places must agree with each other and with the file's length, and every byte belongs to exactly one tensor. If
/// another program truncates the file while it is open, reading beyond the new end ends the process without an
/// exception. Replacing the file by renaming another one is safe.
/// </remarks>
/// <example>
/// <code>
/// using SafetensorsFile file = SafetensorsFile.Open("model.safetensors");
/// foreach (TensorInfo tensor in file.Tensors.Values)
/// {
///     Console.WriteLine($"{tensor.Name}: {tensor}");
/// }
/// </code>
/// </example>
public sealed unsafe class SafetensorsFile : ITensorSource
{
    private readonly MappedFile _file;
    private readonly SafetensorsHeader _header;

    private SafetensorsFile(MappedFile file, SafetensorsHeader header) => (_file, _header) = (file, header);

    /// <inheritdoc/>
    public string Path => _file.Path;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, TensorInfo> Tensors => _header.Tensors;

    /// <summary>What the writer says of the file (<c>__metadata__</c>); empty when it says nothing.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>Opens a file and checks its header.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The open file, to be disposed.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file does not keep to the format.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        MappedFile file = MappedFile.Open(path);
        try
        {
            GitLfs.RefusePointer(file);
            return new(file, SafetensorsHeader.Read(file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Read(string name, Span<float> target)
    {
        this.CheckWhole(this.Find(name), target.Length);
        ReadRange(name, 0, target);
    }

    /// <inheritdoc/>
    public void ReadRange(string name, long start, Span<float> target)
    {
        TensorInfo info = this.Find(name);
        this.CheckType(info, info.Type.IsFloat(), ElementTypes.Floats);
        this.CheckRange(info, start, target.Length);
        using BorrowedBytes bytes = Borrow(info, start, target.Length);
        Elements.Read(info.Type, bytes.Start, target);
    }

    /// <summary>Reads a whole tensor as float64.</summary>
    /// <param name="name">The tensor; F64, F32, F16 or BF16.</param>
    /// <param name="target">Receives the elements, row by row; exactly as long as the tensor.</param>
    /// <exception cref="InvalidDataException">There is no such tensor, or its elements are not floats.</exception>
    /// <exception cref="ArgumentException"><paramref name="target"/> is of another length.</exception>
    public void Read(string name, Span<double> target)
    {
        TensorInfo info = this.Find(name);
        this.CheckType(info, info.Type.IsFloat(), ElementTypes.Floats);
        this.CheckWhole(info, target.Length);
        using BorrowedBytes bytes = Borrow(info, 0, target.Length);
        Elements.Read(info.Type, bytes.Start, target);
    }

    /// <summary>Reads a whole tensor of integers.</summary>
    /// <param name="name">The tensor; I64 or I32.</param>
    /// <param name="target">Receives the elements, row by row; exactly as long as the tensor.</param>
    /// <exception cref="InvalidDataException">There is no such tensor, or it is neither I64 nor I32.</exception>
    /// <exception cref="ArgumentException"><paramref name="target"/> is of another length.</exception>
    public void Read(string name, Span<long> target)
    {
        TensorInfo info = this.Find(name);
        this.CheckType(info, info.Type is ElementType.I64 or ElementType.I32, "I64 or I32");
        this.CheckWhole(info, target.Length);
        using BorrowedBytes bytes = Borrow(info, 0, target.Length);
        Elements.Read(info.Type, bytes.Start, target);
    }

    /// <summary>Reads elements as they are stored.</summary>
    /// <param name="name">The tensor; of any type.</param>
    /// <param name="start">First element to read, counted row by row.</param>
    /// <param name="target">Receives the bytes of as many elements as fit; a multiple of the element's size.</param>
    /// <exception cref="InvalidDataException">There is no such tensor.</exception>
    /// <exception cref="ArgumentException">The part reaches outside the tensor, or ends within an element.</exception>
    public void ReadBytes(string name, long start, Span<byte> target)
    {
        TensorInfo info = this.Find(name);
        (int count, int rest) = Math.DivRem(target.Length, info.Type.Size());
        if (rest != 0)
        {
            throw new ArgumentException(
                $"{Path}: tensor \"{name}\": expected a multiple of {info.Type.Size()} bytes; found {target.Length}.");
        }

        this.CheckRange(info, start, count);
        using BorrowedBytes bytes = Borrow(info, start, count);
        bytes.Span.CopyTo(target);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private BorrowedBytes Borrow(TensorInfo info, long start, int count) =>
        _file.Borrow(info.Offset + (start * info.Type.Size()), (long)count * info.Type.Size());
}
