using Mamba.Conformance.Cases;
using Mamba.Devices;

namespace Mamba.Conformance;

/// <summary>One reference case: a file, or a folder that holds a model.</summary>
internal sealed class ConformanceCase
{
    private readonly string _path;

    private ConformanceCase(string root, string path, string? skipReason = null)
    {
        _path = path;
        SkipReason = skipReason;
        string relative = Path.GetRelativePath(root, path);
        Name = Path.GetFileName(relative) == "expected.safetensors"
            ? Path.GetDirectoryName(relative)!
            : Path.ChangeExtension(relative, null);
    }

    /// <summary>Where it lies below the folder.</summary>
    public string Name { get; }

    /// <summary>Why it is not run; null: it is.</summary>
    public string? SkipReason { get; }

    /// <summary>All cases below a folder, by name.</summary>
    public static IEnumerable<ConformanceCase> Below(string folder)
    {
        IEnumerable<string> files = Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories);
        foreach (string path in files.Order(StringComparer.Ordinal))
        {
            if (Path.GetFileName(Path.GetDirectoryName(path)) == "tokenizer" && Path.GetExtension(path) == ".json")
            {
                yield return new(folder, path, "there is no tokenizer yet");
            }
            else if (Path.GetExtension(path) == ".safetensors" && !IsWeights(path))
            {
                yield return new(folder, path);
            }
        }
    }

    /// <summary>Whether a file is a model's weights: one beside a configuration.</summary>
    private static bool IsWeights(string path) =>
        Path.GetFileName(path) != "expected.safetensors"
        && File.Exists(Path.Combine(Path.GetDirectoryName(path)!, "config.json"));

    /// <summary>Runs the case; what goes wrong fails it and is told in one line.</summary>
    public (Verdict Verdict, string Found) Run(Device device, Tolerance tolerance)
    {
        try
        {
            using Golden golden = new(_path);
            Report report = new(golden.Op == "discretization" ? Tolerance.None : tolerance); // which the host computes
            using (device.Scope())
            {
                Run(device, golden, report);
            }

            Verdict verdict = !report.Passed || report.Compared == 0 ? Verdict.Fail
                : report.IsWide ? Verdict.Wide
                : Verdict.Pass;
            return (verdict, report.ToString());
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            return (Verdict.Fail, $"{exception.GetType().Name}: {exception.Message.ReplaceLineEndings(" ")}");
        }
    }

    private static void Run(Device device, Golden golden, Report report)
    {
        switch (golden.Op)
        {
            case "selective_scan":
                SelectiveScanCase.Run(device, golden, report);
                break;
            case "selective_state_update":
                StateUpdateCase.Run(device, golden, report);
                break;
            case "causal_conv1d":
                ConvolutionCase.Run(device, golden, report);
                break;
            case "ssd":
                SsdCase.Run(device, golden, report);
                break;
            case "norm":
                NormCase.Run(device, golden, report);
                break;
            case "discretization":
                DiscretizationCase.Run(golden, report);
                break;
            case "mamba1_block" or "mamba2_block":
                BlockCase.Run(device, golden, report);
                break;
            case "lm":
                LanguageModelCase.Run(device, golden, report);
                break;
            case "training":
                TrainingCase.Run(device, golden, report);
                break;
            default:
                throw new InvalidDataException($"The case's op is \"{golden.Op}\", which this runner does not know.");
        }
    }
}
