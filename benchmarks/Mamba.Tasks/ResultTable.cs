using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Mamba.Tasks;

/// <summary>Prints rows as a Markdown table, as they come, and appends them to a file as lines of JSON.</summary>
/// <param name="path">The file; null: none.</param>
internal sealed class ResultTable(string? path)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // × as it is
    };

    private bool _hasHead;

    /// <summary>Adds a row.</summary>
    public void Add(TaskRow row)
    {
        if (!_hasHead)
        {
            Console.WriteLine("| task | setting | model | parameters | steps | seconds | accuracy | seed |");
            Console.WriteLine("|---|---|---|---:|---:|---:|---:|---:|");
            _hasHead = true;
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {row.Task} | {row.Setting} | {row.Model} | {row.Parameters:N0} | {row.Steps:N0} | {row.Seconds:0} " +
            $"| {100 * row.Accuracy:0.00} % | {row.Seed} |"));
        if (path is not null)
        {
            File.AppendAllText(path, JsonSerializer.Serialize(row, Json) + "\n");
        }
    }
}
