using Mamba.Layers;

namespace Mamba.Models.Checkpoints;

/// <summary>adapter_config.json of the PEFT library, for LoRA.</summary>
/// <param name="Rank">Rank of every adapter, r; 0 if there are none.</param>
/// <param name="Alpha">α of every adapter.</param>
internal sealed record AdapterConfig(int Rank, double Alpha)
{
    public const string FileName = "adapter_config.json";

    /// <summary>Reads a configuration.</summary>
    /// <exception cref="InvalidDataException">A value is missing, of another type, or out of its range.</exception>
    /// <exception cref="NotSupportedException">The kind of the adapters, or an option, is not supported.</exception>
    public static AdapterConfig Read(ConfigJson json)
    {
        if (json.Text("peft_type") is not "LORA" and string type)
        {
            throw new NotSupportedException($"{json.Source}: peft_type is \"{type}\"; supported is LORA.");
        }

        foreach (string flag in new[] { "use_dora", "use_rslora", "use_qalora", "fan_in_fan_out", "lora_bias" })
        {
            if (json.Flag(flag, false))
            {
                throw new NotSupportedException($"{json.Source}: {flag} is true; supported is false.");
            }
        }

        foreach (string pattern in new[] { "rank_pattern", "alpha_pattern" })
        {
            if (json.Object(pattern).Keys.FirstOrDefault() is { } key)
            {
                throw new NotSupportedException(
                    $"{json.Source}: {pattern} has an entry \"{key}\"; supported is one rank and one α for all.");
            }
        }

        if (json.Text("bias", "none") is not "none" and string bias)
        {
            throw new NotSupportedException($"{json.Source}: bias is \"{bias}\"; supported is none.");
        }

        return new(json.Integer("r", ConfigRanges.SizeOrNone), json.Number("lora_alpha", ConfigRanges.Finite));
    }

    /// <summary>The common settings of all adapters of a model; zeros if there are none.</summary>
    /// <exception cref="NotSupportedException">They differ.</exception>
    public static AdapterConfig Of(IReadOnlyCollection<LowRankAdapter> adapters)
    {
        AdapterConfig[] configs =
            [.. adapters.Select(adapter => new AdapterConfig(adapter.Rank, adapter.Alpha)).Distinct()];
        return configs.Length <= 1
            ? configs.FirstOrDefault() ?? new(0, 0)
            : throw new NotSupportedException(
                "Adapters are saved with one rank and one α for all; found " +
                $"{string.Join(", ", configs.Select(config => $"{config.Rank} with {config.Alpha}"))}.");
    }

    /// <summary>Writes the configuration.</summary>
    /// <param name="json">The writer.</param>
    /// <param name="targets">Last parts of the names of the adapted projections.</param>
    public void Write(ConfigJsonWriter json, string[] targets)
    {
        json.Add("peft_type", "LORA");
        json.Add("task_type", "CAUSAL_LM");
        json.Add("base_model_name_or_path", (string?)null);
        json.Add("r", Rank);
        json.Add("lora_alpha", Alpha);
        json.Add("lora_dropout", 0.0);
        json.Add("target_modules", targets);
        json.Add("modules_to_save", (string?)null);
        json.Add("bias", "none");
        json.Add("fan_in_fan_out", false);
        json.Add("use_dora", false);
        json.Add("use_rslora", false);
        json.Add("inference_mode", true);
    }
}
