using System.Text.Json.Nodes;
using Mamba.Models.Training;

namespace Mamba.Tests.Training;

/// <summary>Changes checkpoints and signs them anew, as a program that lies would.</summary>
internal static class CheckpointFiles
{
    private const string Sums = "SHA256SUMS";

    /// <summary>Replaces a value of training.json, and signs the checkpoint.</summary>
    public static void Set(string checkpoint, string key, JsonNode? value)
    {
        JsonObject record = Record(checkpoint);
        record[key] = value;
        WriteRecord(checkpoint, record.ToJsonString());
    }

    /// <summary>Replaces training.json, and signs the checkpoint.</summary>
    public static void WriteRecord(string checkpoint, string json) =>
        WriteRecord(checkpoint, System.Text.Encoding.UTF8.GetBytes(json));

    /// <summary>Replaces training.json, and signs the checkpoint.</summary>
    public static void WriteRecord(string checkpoint, byte[] json)
    {
        File.WriteAllBytes(PathOf(checkpoint), json);
        Sign(checkpoint);
    }

    /// <summary>What training.json says.</summary>
    public static JsonObject Record(string checkpoint) =>
        JsonNode.Parse(File.ReadAllText(PathOf(checkpoint)))!.AsObject();

    /// <summary>Writes the checksums of the files as they are.</summary>
    public static void Sign(string checkpoint)
    {
        File.Delete(Path.Combine(checkpoint, Sums));
        Checksums.Write(checkpoint);
    }

    private static string PathOf(string checkpoint) => Path.Combine(checkpoint, RunRecord.FileName);
}
