using System.CommandLine;
using Mamba.Checkpoints;
using Mamba.Cpu;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Models.Gguf;

namespace Mamba.Cli.Files;

/// <summary>
/// <c>mamba convert</c> and <c>mamba quantize</c>: write a model anew, in another format or with narrower matrices.
/// </summary>
internal static class ConvertCommand
{
    private static readonly (string Name, GgufType Type)[] _types =
        [.. GgufMatrix.WrittenTypes.Select(type => (type.ToString().ToLowerInvariant(), type))];

    private static string TypeNames => string.Join(", ", _types.Select(row => row.Name));

    /// <summary>The command <c>convert</c>.</summary>
    public static Command Create()
    {
        Argument<string> model = Model(), target = Target(
            "A file that ends in .gguf; or a folder, for config.json and model.safetensors in Hugging Face's format.");
        Option<string> type = new("--type")
        {
            Description = $"How matrices are stored: {TypeNames}; f32, f16 or bf16 in a folder.",
            HelpName = "type",
            DefaultValueFactory = _ => "f32",
        };
        Option<bool> json = Report();
        Command command = new("convert", "Converts a model between Hugging Face's, the original, and GGUF format.")
        {
            model, target, type, json,
        };
        command.SetAction((parsed, _) => Program.Guard(command.Name, () => Task.FromResult(Run(
            parsed.GetRequiredValue(model), parsed.GetRequiredValue(target), parsed.GetValue(type)!, "--type",
            parsed.GetValue(json)))));
        return command;
    }

    /// <summary>The command <c>quantize</c>.</summary>
    public static Command CreateQuantize()
    {
        Argument<string> model = Model(), target = Target("The GGUF file to write; its name ends in .gguf.");
        Argument<string> type = new("type") { Description = $"How matrices are stored: {TypeNames}." };
        Option<bool> json = Report();
        Command command = new("quantize", "Writes a model as GGUF with matrices of fewer bits.")
        {
            model, target, type, json,
        };
        command.SetAction((parsed, _) => Program.Guard(command.Name, () => Task.FromResult(Quantize(
            parsed.GetRequiredValue(model), parsed.GetRequiredValue(target), parsed.GetRequiredValue(type),
            parsed.GetValue(json)))));
        return command;
    }

    private static Argument<string> Model() => new("model")
    {
        Description = "A GGUF file, or a folder with config.json and weights.",
    };

    private static Argument<string> Target(string description) => new("target") { Description = description };

    private static Option<bool> Report() => JsonText.Option("Print one JSON object: path, parameters, bytes.");

    private static int Quantize(string source, string target, string type, bool isJson) => GgufModel.IsPath(target)
        ? Run(source, target, type, "type", isJson)
        : throw new InvalidDataException($"target: expected a file that ends in .gguf; found \"{target}\".");

    private static int Run(string source, string target, string typeName, string option, bool isJson)
    {
        GgufType type = Parse(typeName, option);
        bool isGguf = GgufModel.IsPath(target);
        ElementType element = type switch
        {
            GgufType.F32 => ElementType.F32,
            GgufType.F16 => ElementType.F16,
            GgufType.BF16 => ElementType.BF16,
            _ when isGguf => default,
            _ => throw new InvalidDataException(
                $"{option}: expected f32, f16 or bf16 for a folder; found \"{typeName}\". A name that ends in .gguf " +
                "makes a GGUF file."),
        };
        source = ModelFolder.Find(source);
        using CpuDevice device = new();
        using MambaLanguageModel model = MambaLanguageModel.Load(source, device);
        if (isGguf)
        {
            model.SaveGguf(target, type, model.GgufTokenizer ?? TokenizerOf(source, target));
        }
        else
        {
            model.Save(target, element);
        }

        (long parameters, long bytes) = (model.ParameterCount, InspectReport.Of(target).Bytes);
        Console.WriteLine(isJson
            ? JsonText.Of(new { Path = target, Parameters = parameters, Bytes = bytes })
            : FormattableString.Invariant($"{target}: {parameters:N0} parameters, {InspectReport.Size(bytes)}"));
        return 0;
    }

    private static GgufType Parse(string name, string option)
    {
        int index = Array.FindIndex(_types, row => row.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
        return index >= 0
            ? _types[index].Type
            : throw new InvalidDataException($"{option}: expected {TypeNames}; found \"{name}\".");
    }

    /// <summary>The tokenizer of a folder; null, with a remark, if llama.cpp has no such tokenizer.</summary>
    private static GgufTokenizer? TokenizerOf(string source, string target)
    {
        string reason = "the model came without one";
        if (File.Exists(Path.Combine(source, GgufTokenizerFolder.FileName)))
        {
            try
            {
                return GgufTokenizer.FromFolder(source);
            }
            catch (NotSupportedException exception)
            {
                reason = exception.Message;
            }
        }

        Console.Error.WriteLine($"{target}: the file has no tokenizer: {reason.TrimEnd('.')}.");
        return null;
    }
}
