using Mamba.Checkpoints;

namespace Mamba.Models.Checkpoints;

/// <summary>Several safetensors files, listed by an index (<c>weight_map</c>: tensor → file).</summary>
internal sealed class ShardedSafetensors : ITensorSource
{
    private const int MaxLength = 8 << 20; // room for 80,000 tensors

    private readonly Dictionary<string, SafetensorsFile> _shards = [];
    private readonly Dictionary<string, SafetensorsFile> _places = [];
    private readonly Dictionary<string, TensorInfo> _tensors = [];

    private ShardedSafetensors(string path) => Path = path;

    public string Path { get; }

    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    /// <summary>Opens the index, and all files that it lists, which are in the same folder.</summary>
    /// <exception cref="InvalidDataException">
    /// The index or a file is malformed, a file or tensor is missing, or a name leads out of the folder.
    /// </exception>
    public static ShardedSafetensors Open(string path)
    {
        ShardedSafetensors source = new(path);
        try
        {
            ConfigJson shards = ConfigJson.Load(path, MaxLength).RequiredObject("weight_map");
            foreach ((string tensor, string shard) in shards.TextValues)
            {
                source.Add(tensor, shard);
            }

            return source;
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    public void Read(string name, Span<float> target) => Place(name).Read(name, target);

    public void ReadRange(string name, long start, Span<float> target) => Place(name).ReadRange(name, start, target);

    public void Dispose()
    {
        foreach (SafetensorsFile shard in _shards.Values)
        {
            shard.Dispose();
        }
    }

    private void Add(string tensor, string shard)
    {
        if (!_shards.TryGetValue(shard, out SafetensorsFile? file))
        {
            file = OpenShard(tensor, shard);
            _shards.Add(shard, file);
        }

        if (!file.Tensors.TryGetValue(tensor, out TensorInfo? info))
        {
            throw new InvalidDataException(
                $"{Path}: tensor \"{tensor}\": expected in {shard}; found none of that name there.");
        }

        _tensors.Add(tensor, info);
        _places.Add(tensor, file);
    }

    private SafetensorsFile OpenShard(string tensor, string shard)
    {
        // The separators of every system: an index that escapes the folder on another system is rejected here, too.
        if (shard is "" or "." or ".." || shard.AsSpan().ContainsAny("/\\:\0"))
        {
            throw new InvalidDataException(
                $"{Path}: tensor \"{tensor}\": expected the name of a file in the same folder; found \"{shard}\".");
        }

        string file = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Path) ?? "", shard);
        return File.Exists(file)
            ? SafetensorsFile.Open(file)
            : throw new InvalidDataException($"{Path}: tensor \"{tensor}\": expected in {shard}; found no such file.");
    }

    private SafetensorsFile Place(string name)
    {
        this.Find(name);
        return _places[name];
    }
}
