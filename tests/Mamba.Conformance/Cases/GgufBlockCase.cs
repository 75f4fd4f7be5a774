using System.Runtime.InteropServices;
using Mamba.Checkpoints;
using Mamba.Models.Gguf;

namespace Mamba.Conformance.Cases;

/// <summary>Blocks of a GGUF type: decoded to the bit; encoded to the bit, or as well as by ggml.</summary>
internal static unsafe class GgufBlockCase
{
    /// <summary>
    /// The error of our encoders of K types may be that of ggml times this: they are better on the whole, not in every
    /// row.
    /// </summary>
    private const double MostOfGgml = 1.02;

    public static void Run(Golden golden, Report report)
    {
        using SafetensorsFile file = SafetensorsFile.Open(golden.Path);
        GgufType type = (GgufType)golden.Integer("type_id", -1);
        byte[] blocks = Bytes(file, file.Tensors.ContainsKey("in.bits") ? "in.bits" : "in.blocks");
        float[] expected = Floats(file, "out.values"), decoded = new float[expected.Length];
        fixed (byte* source = blocks)
        {
            GgufBlocks.Decode(type, source, decoded);
        }

        report.Check("decoded bits", AreSame(decoded, expected));
        if (type is GgufType.F16 or GgufType.BF16)
        {
            CompareNumbers(file, type, report);
        }
        else if (type is not (GgufType.Q2_K or GgufType.Q3_K or GgufType.IQ4_NL or GgufType.IQ4_XS or GgufType.MXFP4))
        {
            CompareRows(golden, file, type, report);
        }
    }

    private static void CompareNumbers(SafetensorsFile file, GgufType type, Report report)
    {
        float[] values = Floats(file, "in.values");
        ReadOnlySpan<ushort> expected = MemoryMarshal.Cast<byte, ushort>(Bytes(file, "out.bits"));
        int wrong = 0;
        for (int i = 0; i < values.Length; i++)
        {
            bool fits = type == GgufType.BF16 || Half.IsFinite(BitConverter.UInt16BitsToHalf(expected[i]));
            wrong += fits == (TryEncode(type, [values[i]], out byte[] bits) && IsSame(values[i], bits, expected[i]))
                ? 0
                : 1;
        }

        report.Check("encoded bits", wrong == 0);

        static bool IsSame(float value, byte[] bits, ushort expected) =>
            BitConverter.ToUInt16(bits) == expected || float.IsNaN(value);
    }

    private static void CompareRows(Golden golden, SafetensorsFile file, GgufType type, Report report)
    {
        float[] values = Floats(file, "in.values");
        byte[] expected = Bytes(file, "out.blocks");
        int rows = golden.Shape("in.values")[0], width = values.Length / rows;
        byte[] encoded = [];
        for (int row = 0; row < rows; row++)
        {
            bool fits = TryEncode(type, values[(row * width)..((row + 1) * width)], out byte[] bytes);
            report.Check($"row {row} fits", fits);
            encoded = [.. encoded, .. bytes];
        }

        if (golden.Flag("encoding_is_unique"))
        {
            report.Check("encoded bits", encoded.AsSpan().SequenceEqual(expected));
            return;
        }

        float[] again = new float[values.Length];
        fixed (byte* source = encoded)
        {
            GgufBlocks.Decode(type, source, again);
        }

        double[] ggml =
            [.. golden.Options.GetProperty("rms_error_per_row").EnumerateArray().Select(error => error.GetDouble())];
        for (int row = 0; row < rows; row++)
        {
            double sum = 0;
            for (int i = row * width; i < (row + 1) * width; i++)
            {
                sum += Math.Pow((double)again[i] - values[i], 2);
            }

            double error = Math.Sqrt(sum / width);
            double relative = ggml[row] == 0 ? error : error / ggml[row];
            report.CompareError($"error of row {row} over ggml's", relative, MostOfGgml);
        }
    }

    private static bool TryEncode(GgufType type, float[] row, out byte[] bytes)
    {
        (int elements, int size) = type.Block();
        bytes = new byte[row.Length / elements * size];
        try
        {
            fixed (float* source = row)
            fixed (byte* target = bytes)
            {
                GgufEncoder.Encode(type, source, row.Length, target);
            }

            return true;
        }
        catch (ArithmeticException)
        {
            return false;
        }
    }

    private static bool AreSame(float[] left, float[] right) =>
        MemoryMarshal.AsBytes(left.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(right.AsSpan()));

    private static float[] Floats(SafetensorsFile file, string name)
    {
        float[] values = new float[file.Tensors[name].Count];
        file.Read(name, values);
        return values;
    }

    private static byte[] Bytes(SafetensorsFile file, string name)
    {
        byte[] bytes = new byte[file.Tensors[name].ByteLength];
        file.ReadBytes(name, 0, bytes);
        return bytes;
    }
}
