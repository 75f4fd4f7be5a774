using Mamba.Conformance.Cases;
using Mamba.Devices;

namespace Mamba.Conformance;

/// <summary>One reference case: a file, or a folder that holds a model.</summary>
internal sealed class ConformanceCase
{
    private readonly string _path;
    private readonly Action<Device, Report> _run;

    private ConformanceCase(
        string root, string path, Action<Device, Report>? run = null, string? skipReason = null)
    {
        _path = path;
        _run = run ?? RunFile;
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
                string? model = GgufTokenizerCase.ModelOf(path);
                yield return model is null
                    ? new(folder, path, (_, report) => TokenizerCase.Run(path, report), TokenizerCase.SkipReason(path))
                    : new(folder, path, (_, report) => GgufTokenizerCase.Run(path, model, report));
            }
            else if (Path.GetFileName(path) == "files.json")
            {
                foreach ((string file, string expected) in GgufFileCase.In(path))
                {
                    yield return new(
                        folder, file, (device, report) => GgufFileCase.Run(device, file, expected, report));
                }
            }
            else if (Path.GetFileName(Path.GetDirectoryName(path)) == "converted")
            {
                yield return new(
                    folder, path, (device, report) => GgufConvertedCase.Run(device, path, report),
                    GgufConvertedCase.ResultsOf(path) is null ? "the results of its checkpoint are not there" : null);
            }
            else if (Path.GetExtension(path) == ".safetensors" && !IsWeights(path))
            {
                yield return new(folder, path, skipReason: GgufModelCase.SkipReason(path));
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
            Report report = new(tolerance);
            using (device.Scope())
            {
                _run(device, report);
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

    private void RunFile(Device device, Report report)
    {
        using Golden golden = new(_path);
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
                report.HasTolerance = false; // the host computes it
                DiscretizationCase.Run(golden, report);
                break;
            case "mamba1_block" or "mamba2_block":
                BlockCase.Run(device, golden, report);
                break;
            case "lm":
                LanguageModelCase.Run(device, golden, report);
                break;
            case "gguf":
                GgufModelCase.Run(device, golden, report);
                break;
            case "gguf_block":
                GgufBlockCase.Run(golden, report);
                break;
            case "training":
                TrainingCase.Run(device, golden, report);
                break;
            default:
                throw new InvalidDataException($"The case's op is \"{golden.Op}\", which this runner does not know.");
        }
    }
}
