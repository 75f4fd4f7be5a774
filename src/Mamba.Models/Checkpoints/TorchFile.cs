using Mamba.Checkpoints;

namespace Mamba.Models.Checkpoints;

/// <summary>
/// The weights of a memory-mapped PyTorch file (<c>torch.save</c> of a state dictionary, PyTorch 1.6 and later): a zip
/// archive with a pickle, which lists the tensors, and one file for each storage.
/// </summary>
/// <remarks>
/// A pickle can hold any program. This reader executes none, see <see cref="Pickle"/> and <see cref="TorchAllowList"/>.
/// It rejects compressed storages, which PyTorch never writes.
/// </remarks>
internal sealed unsafe class TorchFile : ITensorSource
{
    private const string PickleName = "data.pkl";
    private const long MaxPickleLength = 1 << 20; // room for 7,000 tensors; models have a thousand
    private const int MaxShares = 8; // maximum ratio of the length of all tensors to that of the file
    private const int PieceBytes = 4096;

    private readonly MappedFile _file;
    private readonly ZipDirectory _archive;
    private readonly Dictionary<string, TorchTensor> _tensors;

    private TorchFile(MappedFile file)
    {
        _file = file;
        GitLfs.RefusePointer(file);
        CheckIsZip(file);
        _archive = ZipDirectory.Read(file);
        _tensors = ReadTensors();
        Tensors = _tensors.ToDictionary(tensor => tensor.Key, tensor => tensor.Value.Info.Named(tensor.Key));
    }

    public string Path => _file.Path;

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Opens a file and reads its pickle.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, or its pickle has more than tensors.</exception>
    public static TorchFile Open(string path)
    {
        MappedFile file = MappedFile.Open(path);
        try
        {
            return new(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Read(string name, Span<float> target)
    {
        this.CheckWhole(this.Find(name), target.Length);
        ReadRange(name, 0, target);
    }

    public void ReadRange(string name, long start, Span<float> target)
    {
        TensorInfo info = this.Find(name);
        this.CheckType(info, info.Type.IsFloat(), ElementTypes.Floats);
        this.CheckRange(info, start, target.Length);
        TorchTensor tensor = _tensors[name];
        using BorrowedBytes storage = _archive.Borrow(tensor.Storage.Entry);
        if (tensor.IsContiguous)
        {
            Elements.Read(info.Type, storage.Start + info.Offset + (start * info.Type.Size()), target);
        }
        else
        {
            ReadStrided(tensor, storage.Start, start, target);
        }
    }

    public void Dispose() => _file.Dispose();

    private static void CheckIsZip(MappedFile file)
    {
        using BorrowedBytes magic = file.Borrow(0, Math.Min(file.Length, 4));
        if (!magic.Span.SequenceEqual("PK\x03\x04"u8))
        {
            bool isPickle = magic.Span is [0x80, ..];
            throw new InvalidDataException(
                $"{file.Path}: expected a zip archive, as PyTorch writes since version 1.6; found " +
                (isPickle ? "a bare pickle, the format before it" : "another format") +
                ". Convert it with Python: torch.save(torch.load(old, map_location=\"cpu\", weights_only=True), new).");
        }
    }

    private Dictionary<string, TorchTensor> ReadTensors()
    {
        ZipEntry[] pickles = [.. _archive.Entries.Values.Where(entry => entry.Name.Split('/') is [_, PickleName])];
        if (pickles is not [ZipEntry pickle])
        {
            throw new InvalidDataException(
                $"{Path}: expected one {PickleName} in one folder of the archive; found {pickles.Length}.");
        }

        string folder = pickle.Name[..^PickleName.Length];
        CheckByteOrder(folder);
        string source = $"{Path}: {pickle.Name}";
        TorchAllowList allowed = new(_archive.Entries, folder);
        if (Pickle.Read(Bytes(pickle), allowed, source) is not Dictionary<string, object?> content)
        {
            throw new InvalidDataException($"{source}: expected a dictionary of tensors; found another value.");
        }

        Dictionary<string, TorchTensor> tensors = content.ToDictionary(
            item => item.Key,
            item => item.Value as TorchTensor ?? throw new InvalidDataException(
                $"{source}: entry \"{item.Key}\": expected a tensor; found {Pickle.Describe(item.Value)}. " +
                "Save the model's state_dict() alone."));
        CheckShares(tensors.Values);
        return tensors;
    }

    /// <summary>Rejects a small file whose tensors share storages and add up to a large model.</summary>
    private void CheckShares(IEnumerable<TorchTensor> tensors)
    {
        double bytes = tensors.Sum(tensor => (double)tensor.Info.ByteLength);
        if (bytes > (double)MaxShares * _file.Length)
        {
            throw new InvalidDataException(
                $"{Path}: expected tensors of at most {MaxShares} times the file's {_file.Length} bytes; " +
                $"found {bytes:f0}, as many share their storage.");
        }
    }

    private void CheckByteOrder(string folder)
    {
        if (_archive.Entries.TryGetValue(folder + "byteorder", out ZipEntry? entry)
            && !Bytes(entry).AsSpan().SequenceEqual("little"u8))
        {
            throw new InvalidDataException($"{Path}: expected little-endian numbers; found another byte order.");
        }
    }

    private byte[] Bytes(ZipEntry entry)
    {
        if (entry.Length > MaxPickleLength)
        {
            throw new InvalidDataException(
                $"{Path}: expected {entry.Name} of at most {MaxPickleLength} bytes; found {entry.Length}.");
        }

        return _archive.Read(entry);
    }

    private static void ReadStrided(TorchTensor tensor, byte* storage, long start, Span<float> target)
    {
        Span<byte> piece = stackalloc byte[PieceBytes];
        int size = tensor.Info.Type.Size(), count = PieceBytes / size;
        fixed (byte* gathered = piece)
        {
            for (int i = 0; i < target.Length; i += count)
            {
                Span<float> part = target.Slice(i, Math.Min(count, target.Length - i));
                tensor.Gather(storage, start + i, piece[..(part.Length * size)]);
                Elements.Read(tensor.Info.Type, gathered, part);
            }
        }
    }
}
