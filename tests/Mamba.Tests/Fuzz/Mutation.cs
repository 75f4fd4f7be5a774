using System.Buffers.Binary;

namespace Mamba.Tests.Fuzz;

/// <summary>A change of a file by its structure, which its name tells.</summary>
internal static class Mutation
{
    /// <summary>A random change.</summary>
    public static (byte[] Content, string Change) Of(string name, byte[] content, Random random) =>
        random.Next(5) == 0 ? ByteMutation.Of(content, random) : Path.GetExtension(name) switch
        {
            ".json" => JsonMutation.Of(content, random),
            ".safetensors" => Safetensors(content, random),
            ".gguf" => Gguf(content, random),
            ".bin" => TorchMutation.Of(content, random),
            ".csv" => LineMutation.Of(content, ","u8, random),
            "" when name.EndsWith("SHA256SUMS", StringComparison.Ordinal) => LineMutation.Of(content, "  "u8, random),
            _ => ByteMutation.Of(content, random),
        };

    /// <summary>Changes the header of a GGUF file, which is most of what can be wrong.</summary>
    private static (byte[] Content, string Change) Gguf(byte[] content, Random random)
    {
        int last = content.AsSpan().LastIndexOf(".weight"u8), end = Math.Min(last + 48, content.Length);
        (byte[] header, string change) = random.Next(2) == 0
            ? ByteMutation.Of(content[..end], random)
            : ByteMutation.Number(content[..end], random.Next(end), 4 << random.Next(2), random);
        return ([.. header, .. content[end..]], change);
    }

    /// <summary>Changes the header of a safetensors file, or the number that tells its length.</summary>
    private static (byte[] Content, string Change) Safetensors(byte[] content, Random random)
    {
        const int Prefix = sizeof(ulong);
        ulong length = content.Length < Prefix ? 0 : BinaryPrimitives.ReadUInt64LittleEndian(content);
        if (length < 2 || length > (ulong)(content.Length - Prefix))
        {
            return ByteMutation.Of(content, random);
        }

        if (random.Next(10) == 0)
        {
            return ByteMutation.Number(content, 0, Prefix, random);
        }

        int end = Prefix + (int)length;
        (byte[] header, string change) = JsonMutation.Of(content[Prefix..end], random);
        byte[] prefix = new byte[Prefix];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, header.Length);
        return ([.. prefix, .. header, .. content[end..]], change);
    }
}
