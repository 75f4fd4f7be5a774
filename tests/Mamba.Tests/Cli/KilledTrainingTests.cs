using System.Diagnostics;
using System.Text;
using Mamba.Models.Training;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Cli;

/// <summary>
/// Runs of the tool in processes that are killed, or that want the same folder. They take a minute: see
/// <see cref="Thorough"/>.
/// </summary>
public sealed class KilledTrainingTests : IDisposable
{
    private const int Kills = 10, Steps = 400;

    private static readonly string[] Length = ["--steps", $"{Steps}", "--checkpoint-every", "3"];

    private readonly TemporaryFolder _folder = new();

    public KilledTrainingTests() => Assert.SkipUnless(Thorough.IsAsked, Thorough.Reason);

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
                i == 0 ? [.. Arguments("broken", batches), .. Length]
                    : ["train", "--output", _folder["broken"], "--resume"]);
            await ToolProcess.FirstStepAsync(process);
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
            File.ReadAllBytes(_folder[$"broken/{file}"])
                .Should().Equal(File.ReadAllBytes(_folder[$"whole/{file}"]), file);
        }

        LossesOf("broken").Should().Equal(LossesOf("whole"), "no row is lost, and none is there twice");
    }

    [Theory]
    [InlineData("TERM", 143)]
    [InlineData("HUP", 129)]
    public async Task A_process_that_is_told_to_end_saves_a_checkpoint(string signal, int code)
    {
        _folder.Write("text.txt", Text());
        using Process process = ToolProcess.Start(
            [.. Arguments("run", "windows"), "--checkpoint-every", "0", "--steps", "1000000"]);
        await ToolProcess.FirstStepAsync(process);

        // Not SIGINT, which is handled alike: what a shell runs in the background ignores it.
        await ToolProcess.SignalAsync(process, signal);
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        process.ExitCode.Should().Be(code);
        output.Should().MatchRegex(@"Stopped at step \d+; continue with: mamba train --output .*run --resume");
        Directory.EnumerateDirectories(_folder["run"], "step-*").Should().NotBeEmpty();
    }

    [Fact]
    public async Task An_evaluation_that_is_interrupted_is_done_when_the_run_goes_on()
    {
        _folder.Write("text.txt", [.. Enumerable.Repeat((byte)'a', 600_000)]);
        string[] arguments = [.. Arguments("run", "windows"), "--held-out", "0.9", "--evaluate-tokens", "0"];
        using Process process = ToolProcess.Start([.. arguments, "--steps", "1"]);
        await ToolProcess.FirstStepAsync(process); // the evaluation of 540,000 tokens, some seconds, has just begun

        await ToolProcess.SignalAsync(process, "TERM");
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        (int code, string resumed, string error) =
            await ToolProcess.RunAsync("train", "--output", _folder["run"], "--resume");

        process.ExitCode.Should().Be(143);
        output.Should().Contain("Stopped at step 1;").And.NotContain("held out ");
        code.Should().Be(0, error);
        resumed.Should().Contain("step 1: held out ").And.Contain("the best so far");
    }

    [Fact]
    public async Task A_second_process_in_the_folder_of_a_run_is_refused_by_name()
    {
        _folder.Write("text.txt", Text());
        using Process process = ToolProcess.Start([.. Arguments("run", "windows"), "--steps", "1000000"]);
        await ToolProcess.FirstStepAsync(process);

        (int resumed, _, string error) = await ToolProcess.RunAsync("train", "--output", _folder["run"], "--resume");
        (int begun, _, string other) = await ToolProcess.RunAsync(Arguments("run", "windows"));
        bool isAlive = !process.HasExited;
        process.Kill();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Action take = () => RunLock.Take(_folder["run"]).Dispose();

        (resumed, begun, isAlive).Should().Be((1, 1, true));
        error.Should().Be($"mamba train: {_folder["run"]} is in use by process {process.Id}; nothing was changed.\n");
        other.Should().Be(error);
        take.Should().NotThrow("the lock goes with its process");
    }

    [Fact]
    public async Task Of_two_runs_that_are_begun_at_once_one_wins()
    {
        _folder.Write("text.txt", Text());
        string[] arguments = [.. Arguments("run", "windows"), "--steps", "200", "--checkpoint-every", "5"];

        (int Code, string Output, string Error)[] ends = await Task.WhenAll(
            Enumerable.Range(0, 3).Select(_ => ToolProcess.RunAsync(arguments)));

        ends.Count(end => end.Code == 0).Should().Be(1, string.Concat(ends.Select(end => end.Error)));
        ends.Where(end => end.Code != 0)
            .Should().OnlyContain(end => end.Error.Contains("is in use by process")
            || end.Error.Contains("holds a run"));
    }

    [Fact]
    public async Task A_screen_or_a_disk_that_takes_no_more_does_not_end_a_run()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "Needs /dev/full.");
        _folder.Write("text.txt", Text());
        string arguments = $"{string.Join(' ', Arguments("run", "windows"))} --steps 3";

        (int code, _, string error) = await ToolProcess.RunShellAsync($"$mamba {arguments} > /dev/full");

        code.Should().Be(1);
        error.Should().Be("mamba train: The output on the screen is incomplete: No space left on device\n");
        File.Exists(_folder["run/model/model.safetensors"]).Should().BeTrue();
        (await File.ReadAllLinesAsync(_folder["run/log.csv"], TestContext.Current.CancellationToken))
            .Should().HaveCount(1 + 3 + 1);
    }

    [Fact]
    public async Task Checkpoints_and_a_log_that_cannot_be_saved_are_warnings_and_one_error_at_the_end()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(),
            "Needs a limit of the size of files, as a disk that takes no more.");
        _folder.Write("text.txt", Text());
        string arguments = $"{string.Join(' ', Arguments("run", "windows"))} --steps 600 --checkpoint-every 100";

        // 20 KB are less than a checkpoint and less than the log. The runtime needs larger files to protect its code.
        (int code, string output, string error) = await ToolProcess.RunShellAsync(
            $"trap '' XFSZ; ulimit -f 20; DOTNET_EnableWriteXorExecute=0 $mamba {arguments}");

        code.Should().Be(1);
        output.Should().Contain("No checkpoint at step 100: ").And.Contain("log.csv lacks its last rows: ")
            .And.Contain("step 600/600");
        error.Should().StartWith("mamba train: The checkpoint of the last step, 600, could not be saved: ")
            .And.Contain("log.csv lacks its last rows");
        error.Trim().Split('\n').Should().ContainSingle();
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>The cells of the log but for the speed and the time, which differ from run to run.</summary>
    private IEnumerable<string> LossesOf(string run) => File.ReadLines(_folder[$"{run}/log.csv"])
        .Select(line => line.Split(',')).Select(cells => string.Join(',', [.. cells[..4], .. cells[6..]]));

    private string[] Arguments(string output, string batches) =>
    [
        "train", "--data", _folder["text.txt"], "--output", _folder[output], "--batches", batches, "--dim", "16",
            "--layers", "2",
        "--state", "8", "--head", "8", "--batch", "2", "--length", "32", "--evaluate-every", "50", "--average", "0.9",
            "--accumulate", "2", "--threads", "1",
    ];

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
