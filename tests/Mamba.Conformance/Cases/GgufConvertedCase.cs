using Mamba.Devices;
using Mamba.Models;
using Mamba.Models.Gguf;

namespace Mamba.Conformance.Cases;

/// <summary>A published checkpoint that was converted to GGUF: the logits are those of the checkpoint.</summary>
internal static class GgufConvertedCase
{
    /// <summary>The results of the checkpoint; null if they are not there.</summary>
    public static string? ResultsOf(string path)
    {
        string golden = Path.Combine(Path.GetDirectoryName(path)!, "..", "..", "..", "golden", "lm");
        string results = Path.Combine(golden, Path.GetFileNameWithoutExtension(path), "expected.safetensors");
        return File.Exists(results) ? results : null;
    }

    public static void Run(Device device, string path, Report report)
    {
        using Golden golden = new(ResultsOf(path)!);
        using MambaLanguageModel model = MambaLanguageModel.Load(path, device);
        GgufModelCase.CompareLogits(
            device, model, golden.Integers("in.input_ids"), golden, report, golden.Shape("in.input_ids")[0]);
        CompareOwnConversion(device, path, report);
    }

    /// <summary>Converts the checkpoint, and compares names, types, dimensions and bytes of all tensors.</summary>
    private static void CompareOwnConversion(Device device, string path, Report report)
    {
        string own = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():n}.gguf");
        try
        {
            using GgufFile expected = GgufFile.Open(path);
            using (MambaLanguageModel model =
                MambaLanguageModel.Load(Path.GetDirectoryName(ResultsOf(path)!)!, device))
            {
                model.SaveGguf(own, expected.Tensors["token_embd.weight"].Type);
            }

            using GgufFile actual = GgufFile.Open(own);
            report.Check("names of own conversion", actual.Tensors.Keys.ToHashSet().SetEquals(expected.Tensors.Keys));
            foreach (GgufTensor tensor in expected.Tensors.Values)
            {
                GgufTensor converted = actual.Tensors[tensor.Name];
                report.Check($"form of own {tensor.Name}", converted.ToString() == tensor.ToString());
                report.Check(
                    $"bits of own {tensor.Name}", Bytes(actual, converted).SequenceEqual(Bytes(expected, tensor)));
            }
        }
        finally
        {
            File.Delete(own);
        }
    }

    private static byte[] Bytes(GgufFile file, GgufTensor tensor)
    {
        byte[] bytes = new byte[tensor.ByteLength];
        file.ReadBytes(tensor.Name, 0, bytes);
        return bytes;
    }
}
