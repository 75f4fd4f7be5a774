using System.Diagnostics;
using System.Text;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Cli;

public sealed class KilledTrainingTests : IDisposable
{
    private const int Kills = 10, Steps = 400;

    private static readonly string[] Length = ["--steps", $"{Steps}", "--checkpoint-every", "3"];

    private readonly TemporaryFolder _folder = new();

    [Theory]
    [InlineData("windows")]
    [InlineData("streams")]
    public async Task A_process_that_is_killed_ten_times_ends_with_the_bits_of_an_unbroken_one(string batches)
    {
        _folder.Write("text.txt", Text());
        (int code, _, string error) = await ToolProcess.RunAsync([.. Arguments("whole", batches), .. Length]);
        code.Should().Be(0, error);
        Random random = new(batches.Length);
        int killed = 0;

        for (int i = 0; i < Kills; i++)
        {
            using Process process = ToolProcess.Start(
                i == 0 ? [.. Arguments("broken", batches), .. Length] : ["train", "--output", _folder["broken"], "--resume"]);
            await FirstStep(process);
            await Task.Delay(random.Next(100), TestContext.Current.CancellationToken);
            process.Kill(); // SIGKILL
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            killed += process.ExitCode == 0 ? 0 : 1;
        }

        (code, _, error) = await ToolProcess.RunAsync("train", "--output", _folder["broken"], "--resume");

        code.Should().Be(0, error);
        killed.Should().BeGreaterThan(Kills / 2, "the run must be long enough to be killed");
        foreach (string file in (string[])["model/model.safetensors", $"step-{Steps:D10}/training.safetensors"])
        {
            File.ReadAllBytes(_folder[$"broken/{file}"]).Should().Equal(File.ReadAllBytes(_folder[$"whole/{file}"]), file);
        }
    }

    [Fact]
    public async Task A_process_that_is_interrupted_ends_with_a_checkpoint()
    {
        _folder.Write("text.txt", Text());
        using Process process = ToolProcess.Start(
            [.. Arguments("run", "windows"), "--checkpoint-every", "0", "--steps", "1000000"]);
        await FirstStep(process);
        // Not SIGINT, which is handled alike: what a shell runs in the background ignores it.
        using (Process interrupt = Process.Start("kill", ["-TERM", $"{process.Id}"]))
        {
            await interrupt.WaitForExitAsync(TestContext.Current.CancellationToken);
        }

        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        process.ExitCode.Should().Be(130);
        output.Should().MatchRegex(@"Stopped at step \d+; go on with: mamba train --output .*run --resume");
        Directory.EnumerateDirectories(_folder["run"], "step-*").Should().ContainSingle();
    }

    public void Dispose() => _folder.Dispose();

    private string[] Arguments(string output, string batches) =>
    [
        "train", "--data", _folder["text.txt"], "--output", _folder[output], "--batches", batches, "--dim", "16", "--layers", "2",
        "--state", "8", "--head", "8", "--batch", "2", "--length", "32", "--evaluate-every", "50", "--average", "0.9", "--accumulate", "2", "--threads", "1",
    ];

    /// <summary>Waits until the process has reported a step.</summary>
    private static async Task FirstStep(Process process)
    {
        while (await process.StandardOutput.ReadLineAsync() is { } line && !line.StartsWith("step ", StringComparison.Ordinal))
        {
        }
    }

    /// <summary>Documents of a few words, separated by blank lines.</summary>
    private static byte[] Text()
    {
        Random random = new(7);
        string[] words = ["alpha ", "beta ", "gamma ", "delta ", "epsilon "];
        IEnumerable<string> documents = Enumerable.Range(0, 60)
            .Select(_ => string.Concat(Enumerable.Range(0, 40).Select(_ => words[random.Next(words.Length)])));
        return Encoding.ASCII.GetBytes(string.Join("\n\n", documents));
    }
}
