using System.Text;

namespace Mamba.Tests.Gguf;

/// <summary>Makes GGUF files byte by byte, right and wrong ones.</summary>
internal sealed class GgufBytes
{
    private readonly List<byte> _keys = [];
    private readonly List<(string Name, ulong[] Sizes, uint Type, byte[] Data, ulong? Offset)> _tensors = [];

    public uint Version { get; init; } = 3;

    public int Alignment { get; init; } = 32;

    /// <summary>Number of keys that the header claims; null: the right one.</summary>
    public ulong? ClaimedKeys { get; init; }

    /// <summary>Number of tensors that the header claims; null: the right one.</summary>
    public ulong? ClaimedTensors { get; init; }

    public int Keys { get; private set; }

    /// <summary>A key with a value of any type: its number and its bytes.</summary>
    public GgufBytes Key(string name, uint type, params byte[] value)
    {
        _keys.AddRange([.. Text(name), .. BitConverter.GetBytes(type), .. value]);
        Keys++;
        return this;
    }

    public GgufBytes Key(string name, uint value) => Key(name, 4, BitConverter.GetBytes(value));

    public GgufBytes Key(string name, float value) => Key(name, 6, BitConverter.GetBytes(value));

    public GgufBytes Key(string name, string value) => Key(name, 8, Text(value));

    /// <summary>A list of texts.</summary>
    public GgufBytes Key(string name, params string[] values) =>
        Key(name, 9, [.. List(8, values.Length), .. values.SelectMany(Text)]);

    /// <summary>A tensor.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">Number of its type.</param>
    /// <param name="sizes">Its sizes, the first axis fastest, as in the file.</param>
    /// <param name="data">Its bytes.</param>
    /// <param name="offset">Where it says that it begins; null: where it does.</param>
    public GgufBytes Tensor(string name, uint type, ulong[] sizes, byte[] data, ulong? offset = null)
    {
        _tensors.Add((name, sizes, type, data, offset));
        return this;
    }

    /// <summary>A tensor of float32.</summary>
    public GgufBytes Tensor(string name, ulong[] sizes, params float[] values) =>
        Tensor(name, 0, sizes, [.. values.SelectMany(BitConverter.GetBytes)]);

    public byte[] Make()
    {
        using MemoryStream file = new();
        file.Write([
            .. "GGUF"u8, .. BitConverter.GetBytes(Version),
            .. BitConverter.GetBytes(ClaimedTensors ?? (ulong)_tensors.Count),
            .. BitConverter.GetBytes(ClaimedKeys ?? (ulong)Keys), .. _keys.ToArray(),
        ]);
        ulong place = 0;
        foreach ((string name, ulong[] sizes, uint type, byte[] data, ulong? offset) in _tensors)
        {
            file.Write([
                .. Text(name), .. BitConverter.GetBytes(sizes.Length), .. sizes.SelectMany(BitConverter.GetBytes),
                .. BitConverter.GetBytes(type), .. BitConverter.GetBytes(offset ?? place),
            ]);
            place += (ulong)Padded(data.Length);
        }

        foreach (byte[] data in _tensors.Select(tensor => tensor.Data))
        {
            file.Write(new byte[Padded(file.Length) - file.Length]);
            file.Write(data);
        }

        return file.ToArray();
    }

    /// <summary>The head of a list: type of its items, and their number.</summary>
    public static byte[] List(uint type, long count) =>
        [.. BitConverter.GetBytes(type), .. BitConverter.GetBytes(count)];

    public static byte[] Text(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        return [.. BitConverter.GetBytes((long)utf8.Length), .. utf8];
    }

    private long Padded(long length) => (length + Alignment - 1) / Alignment * Alignment;
}
