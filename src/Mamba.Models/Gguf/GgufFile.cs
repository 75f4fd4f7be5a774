using System.Globalization;
using System.Text.RegularExpressions;
using Mamba.Checkpoints;

namespace Mamba.Models.Gguf;

/// <summary>
/// A model in the GGUF format of llama.cpp, in one file or several, mapped into memory: opening reads the headers only.
/// </summary>
/// <remarks>
/// The format: <see href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md"/>, versions 2 and 3. The header is
/// not trusted. If another program truncates a file while it is open, reading beyond the new end ends the process
/// without an exception. Replacing the file by renaming another one is safe. Several threads may read at the same time.
/// </remarks>
/// <example>
/// <code>
/// using GgufFile file = GgufFile.Open("mamba-130m-Q8_0.gguf");
/// Console.WriteLine(file.Keys.Text("general.architecture"));
/// foreach (GgufTensor tensor in file.Tensors.Values)
/// {
///     Console.WriteLine($"{tensor.Name}: {tensor}");
/// }
/// </code>
/// </example>
public sealed unsafe partial class GgufFile : IDisposable
{
    private const string SplitCount = "split.count", SplitIndex = "split.no", SplitTensors = "split.tensors.count";

    private readonly List<MappedFile> _parts = [];
    private readonly Dictionary<string, GgufTensor> _tensors = [];

    private GgufFile(string path) => Path = path;

    /// <summary>The file; the first of several.</summary>
    public string Path { get; }

    /// <summary>The keys; those of the first file if there are several.</summary>
    public GgufKeys Keys { get; private set; } = null!;

    /// <summary>All tensors by name, in the order of the files.</summary>
    public IReadOnlyDictionary<string, GgufTensor> Tensors => _tensors;

    /// <summary>Opens a file and checks its header; opens the further files of a split model, too.</summary>
    /// <param name="path">The file; the first, <c>NAME-00001-of-0000N.gguf</c>, of a split model.</param>
    /// <returns>The open file, to be disposed.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">
    /// A file does not keep to the format, has a tensor of a type that this library does not read, or is missing.
    /// </exception>
    public static GgufFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        GgufFile file = new(path);
        try
        {
            file.OpenParts();
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads a whole tensor as float32.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="target">Receives the elements, row by row; exactly as long as the tensor.</param>
    /// <exception cref="InvalidDataException">There is no such tensor.</exception>
    /// <exception cref="ArgumentException"><paramref name="target"/> is of another length.</exception>
    public void Read(string name, Span<float> target)
    {
        GgufTensor tensor = Find(name);
        if (target.Length != tensor.Count)
        {
            throw new ArgumentException(
                $"{Path}: tensor \"{name}\" is {tensor}, {tensor.Count} elements; found a span of {target.Length}.");
        }

        ReadRange(name, 0, target);
    }

    /// <summary>Reads a part of a tensor as float32.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="start">First element to read, counted row by row.</param>
    /// <param name="target">Receives as many elements as it is long.</param>
    /// <exception cref="InvalidDataException">There is no such tensor.</exception>
    /// <exception cref="ArgumentException">The part reaches outside the tensor.</exception>
    /// <remarks>The values are exact; a type with minima rounds once, after the subtraction.</remarks>
    public void ReadRange(string name, long start, Span<float> target)
    {
        GgufTensor tensor = Find(name);
        if (start < 0 || start > tensor.Count - target.Length)
        {
            throw new ArgumentException(
                $"{Path}: tensor \"{name}\" is {tensor}, {tensor.Count} elements; found a request for " +
                $"{target.Length} from element {start}.");
        }

        (int elements, int bytes) = tensor.Type.Block();
        Span<float> partial = stackalloc float[GgufBlocks.MostElements];
        int done = 0;
        while (done < target.Length)
        {
            (long block, long within) = Math.DivRem(start + done, elements);
            int whole = within == 0 ? (target.Length - done) / elements : 0;
            using BorrowedBytes source = Borrow(tensor, block * bytes, (long)Math.Max(whole, 1) * bytes);
            if (whole > 0)
            {
                GgufBlocks.Decode(tensor.Type, source.Start, target.Slice(done, whole * elements));
                done += whole * elements;
                continue;
            }

            // The part begins or ends within a block.
            GgufBlocks.Decode(tensor.Type, source.Start, partial[..elements]);
            int count = (int)Math.Min(elements - within, target.Length - done);
            partial.Slice((int)within, count).CopyTo(target[done..]);
            done += count;
        }
    }

    /// <summary>Reads blocks, or elements of a type without blocks, as they are stored.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="start">First byte to read.</param>
    /// <param name="target">Receives as many bytes as it is long.</param>
    /// <exception cref="InvalidDataException">There is no such tensor.</exception>
    /// <exception cref="ArgumentException">The part reaches outside the tensor.</exception>
    public void ReadBytes(string name, long start, Span<byte> target)
    {
        GgufTensor tensor = Find(name);
        if (start < 0 || start > tensor.ByteLength - target.Length)
        {
            throw new ArgumentException(
                $"{Path}: tensor \"{name}\" has {tensor.ByteLength} bytes; found a request for {target.Length} from " +
                $"byte {start}.");
        }

        using BorrowedBytes source = Borrow(tensor, start, target.Length);
        source.Span.CopyTo(target);
    }

    /// <summary>Closes the files.</summary>
    public void Dispose() => _parts.ForEach(part => part.Dispose());

    /// <summary>Finds a tensor.</summary>
    internal GgufTensor Find(string name) => _tensors.TryGetValue(name, out GgufTensor? tensor)
        ? tensor
        : throw new InvalidDataException(
            $"{Path}: expected a tensor \"{name}\"; found none of that name among {_tensors.Count}.");

    private BorrowedBytes Borrow(GgufTensor tensor, long start, long length) =>
        _parts[tensor.Part].Borrow(tensor.Offset + start, length);

    private void OpenParts()
    {
        GgufHeader first = OpenPart(Path);
        Keys = first.Keys;
        long count = Keys.Integer(SplitCount) ?? 1;
        if (count is 0 or 1)
        {
            return;
        }

        Match name = PartName().Match(Path);
        if (!name.Success || name.Groups["count"].Value != count.ToString("d5", CultureInfo.InvariantCulture))
        {
            throw Keys.Refuse(
                SplitCount, $"a file called NAME-00001-of-{count:d5}.gguf", System.IO.Path.GetFileName(Path));
        }

        RequirePart(Keys, 0, count);
        for (int i = 1; i < count; i++)
        {
            string path = $"{name.Groups["stem"].Value}-{i + 1:d5}-of-{count:d5}.gguf";
            if (!File.Exists(path))
            {
                throw new InvalidDataException(
                    $"{Path}: the model is split over {count} files; found no \"{System.IO.Path.GetFileName(path)}\" " +
                    "beside it.");
            }

            RequirePart(OpenPart(path).Keys, i, count);
        }

        if (Keys.Integer(SplitTensors) is { } tensors && tensors != _tensors.Count)
        {
            throw Keys.Refuse(SplitTensors, $"the {_tensors.Count} tensors that the {count} files have", $"{tensors}");
        }
    }

    private GgufHeader OpenPart(string path)
    {
        MappedFile part = MappedFile.Open(path);
        _parts.Add(part);
        GitLfs.RefusePointer(part);
        GgufHeader header = GgufHeader.Read(part, _parts.Count - 1);
        foreach (GgufTensor tensor in header.Tensors)
        {
            if (!_tensors.TryAdd(tensor.Name, tensor))
            {
                throw new InvalidDataException(
                    $"{path}: expected one tensor \"{tensor.Name}\" in all files of the model; found a second one.");
            }
        }

        return header;
    }

    private static void RequirePart(GgufKeys keys, int index, long count)
    {
        if (keys.Integer(SplitIndex) != index)
        {
            string advice = index == 0 ? ": open the first file of the model" : "";
            throw keys.Refuse(SplitIndex, $"{index} in this file", $"{Found(SplitIndex)}{advice}");
        }

        if (keys.Integer(SplitCount) != count)
        {
            throw keys.Refuse(SplitCount, $"{count} as in the first file", Found(SplitCount));
        }

        string Found(string key) => keys.Has(key) ? keys.Describe(key) : "no such key";
    }

    [GeneratedRegex(@"^(?<stem>.*)-(?<index>\d{5})-of-(?<count>\d{5})\.gguf$", RegexOptions.Singleline)]
    private static partial Regex PartName();
}
