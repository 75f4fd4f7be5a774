using Mamba.Devices;
using Mamba.Models;

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
    }
}
