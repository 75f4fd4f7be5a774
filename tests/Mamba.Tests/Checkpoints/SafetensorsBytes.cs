using System.Buffers.Binary;
using System.Text;

namespace Mamba.Tests.Checkpoints;

/// <summary>Safetensors files made by hand, right and wrong ones.</summary>
internal static class SafetensorsBytes
{
    /// <summary>A file of a header and data; the length is the header's own unless another is claimed.</summary>
    public static byte[] Make(string header, byte[] data, ulong? claimedLength = null)
    {
        byte[] json = Encoding.UTF8.GetBytes(header);
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, claimedLength ?? (ulong)json.Length);
        return [.. prefix, .. json, .. data];
    }

    /// <summary>The header's part for one tensor.</summary>
    public static string Tensor(string name, string type, string shape, long begin, long end) =>
        $$"""
        "{{name}}":{"dtype":"{{type}}","shape":{{shape}},"data_offsets":[{{begin}},{{end}}]}
        """;

    /// <summary>The bytes of values as they stand in memory.</summary>
    public static byte[] Bytes<T>(params T[] values)
        where T : unmanaged => System.Runtime.InteropServices.MemoryMarshal.AsBytes<T>(values).ToArray();
}
