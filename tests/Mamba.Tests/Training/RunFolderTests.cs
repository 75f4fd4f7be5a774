using System.Diagnostics;
using Mamba.Checkpoints;
using Mamba.Models.Training;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Training;

public sealed class RunFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private TrainerOptions Options => new() { Steps = 8, CheckpointEvery = 4, Folder = _folder["run"] };

    [Fact]
    public void A_second_trainer_in_a_folder_is_refused_by_name_and_changes_nothing()
    {
        using TinyRun first = new(Options), second = new(Options), third = new(Options);
        first.Train();
        string[] before = Directory.GetFileSystemEntries(_folder["run"]);

        second.Invoking(run => run.Resume()).Should().Throw<IOException>()
            .WithMessage("*run is in use by another trainer of this process; nothing was changed.");
        third.Invoking(run => run.Train()).Should().Throw<IOException>().WithMessage("*is in use by*");

        Directory.GetFileSystemEntries(_folder["run"]).Should().BeEquivalentTo(before);
    }

    [Fact]
    public void A_folder_is_free_when_its_trainer_has_been_disposed()
    {
        using (TinyRun first = new(Options with { Steps = 4 }))
        {
            first.Train();
        }

        using TinyRun second = new(Options);

        second.Resume().Should().BeTrue();
        second.Train().Step.Should().Be(8);
    }

    [Fact]
    public void A_folder_that_a_dead_process_held_is_free_and_swept()
    {
        Directory.CreateDirectory(_folder["run/step-0000000004.partial"]);
        string[] left = ["run/.lock", "run/.lock-owner", $"run/log.csv.{Guid.NewGuid():n}.tmp"];
        foreach (string name in left)
        {
            _folder.Write(name, "123"u8.ToArray());
        }

        _folder.Write("run/notes.tmp", []);
        using TinyRun run = new(Options);

        run.Train();

        Directory.EnumerateFiles(_folder["run"]).Select(Path.GetFileName)
            .Should().BeEquivalentTo(".lock", ".lock-owner", "notes.tmp");
        Directory.EnumerateDirectories(_folder["run"]).Select(Path.GetFileName)
            .Should().BeEquivalentTo("step-0000000004", "step-0000000008");
    }

    [Fact]
    public void What_is_no_leftover_of_a_checkpoint_stays_when_the_folder_is_swept()
    {
        string[] folders =
            ["probe", "step-notes.partial", "step-notes.replaced", "step-1.partial.replaced", "my.partial"];
        foreach (string name in folders)
        {
            Directory.CreateDirectory(_folder[$"run/{name}"]);
        }

        Directory.CreateDirectory(_folder["run/step-0000000004.replaced.partial"]);
        using RunFolder folder = new(_folder["run"], keep: 2);

        folder.Claim();

        Directory.EnumerateDirectories(_folder["run"]).Select(Path.GetFileName).Should().BeEquivalentTo(folders);
    }

    [Fact]
    public void A_file_that_has_the_name_of_the_probe_is_not_touched()
    {
        Directory.CreateDirectory(_folder["run"]);
        _folder.Write("run/probe", [1]);
        using RunFolder folder = new(_folder["run"], keep: 2);

        folder.Claim();

        File.ReadAllBytes(_folder["run/probe"]).Should().Equal(1);
        Directory.EnumerateFiles(_folder["run"]).Select(Path.GetFileName)
            .Should().BeEquivalentTo(".lock", ".lock-owner", "probe");
    }

    [Fact]
    public void A_checkpoint_that_was_being_replaced_when_the_process_died_is_still_there()
    {
        RunToTheEnd();
        Directory.Move(_folder["run/step-0000000008"], _folder["run/step-0000000008.replaced"]);
        Directory.CreateDirectory(_folder["run/step-0000000008.partial"]);
        using TinyRun run = new(Options);

        run.Resume().Should().BeTrue();

        run.Trainer.Step.Should().Be(8);
    }

    [Fact]
    public void A_checkpoint_is_replaced_only_when_the_new_one_is_whole()
    {
        RunToTheEnd();
        string newest = _folder["run/step-0000000008"], record = Path.Combine(newest, "training.json");
        byte[] before = File.ReadAllBytes(record);
        using RunFolder folder = new(_folder["run"], keep: 2);

        folder.Invoking(run => run.Save(8, _ => throw new IOException("The disk is full.")))
            .Should().Throw<IOException>();

        File.ReadAllBytes(record).Should().Equal(before);
        folder.Save(8, path => File.WriteAllText(Path.Combine(path, "new"), "x")).Should().Be(newest);
        Directory.EnumerateFiles(newest).Select(Path.GetFileName).Should().BeEquivalentTo("new", "SHA256SUMS");
        Directory.EnumerateDirectories(_folder["run"]).Should().HaveCount(2);
    }

    [Fact]
    public void Checkpoints_behind_the_one_that_is_saved_do_not_push_it_out()
    {
        RunToTheEnd();
        File.Delete(_folder["run/step-0000000008/training.json"]);
        using TinyRun run = new(Options with { Steps = 5, KeepCheckpoints = 1 });

        run.Resume().Should().BeTrue();
        run.Train();

        Directory.EnumerateDirectories(_folder["run"]).Select(Path.GetFileName)
            .Should().BeEquivalentTo("step-0000000005", "step-0000000008");
    }

    [Fact]
    public void A_checkpoint_that_may_not_be_read_is_passed_over()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess, "Root may read everything.");
        RunToTheEnd();
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(_folder["run/step-0000000008/training.json"], UnixFileMode.None);
        }

        using TinyRun run = new(Options);

        run.Resume().Should().BeTrue();

        run.Trainer.Step.Should().Be(4);
    }

    [Fact]
    public void What_cannot_be_deleted_is_reported_and_the_checkpoint_stands()
    {
        using TinyRun run = new(Options with { KeepCheckpoints = 1 }, export: folder =>
        {
            if (folder.EndsWith("8.partial", StringComparison.Ordinal))
            {
                File.WriteAllText(_folder["run/step-0000000004.partial"],
                    ""); // in the way of the name to delete it under
            }
        });
        List<TrainingProgress> reports = [];

        TrainingResult result = run.Train(new Listener(reports));

        result.Checkpoint.Should().EndWith("step-0000000008");
        reports.Select(report => report.Warning).OfType<string>().Should().ContainSingle()
            .Which.Should().StartWith("An old checkpoint could not be deleted: ");
    }

    [Fact]
    public void The_files_of_an_export_are_flushed_and_those_in_folders_kept()
    {
        using TinyRun run = new(Options, export: folder => File.WriteAllText(
            Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "inner")).FullName, "file"), "x"));

        string checkpoint = run.Train().Checkpoint!;

        File.ReadAllText(Path.Combine(checkpoint, "inner", "file")).Should().Be("x");
    }

    [Fact]
    public void A_last_checkpoint_that_cannot_be_saved_says_where_the_run_can_go_on()
    {
        using TinyRun run = new(Options, export: folder =>
        {
            if (folder.EndsWith("8.partial", StringComparison.Ordinal))
            {
                throw new IOException("The disk is full.");
            }
        });

        run.Invoking(tiny => tiny.Train()).Should().Throw<IOException>()
            .WithMessage(
                "The checkpoint of the last step, 8, could not be saved: The disk is full. The run can go on from " +
                "*step-0000000004.");
    }

    [Fact]
    public void A_folder_is_flushed_by_its_path_and_a_missing_one_is_no_error()
    {
        ((Action)(() => Folders.Flush(_folder.Path))).Should().NotThrow();
        ((Action)(() => Folders.Flush(_folder["missing"]))).Should().NotThrow();
    }

    [Fact]
    public async Task Renames_are_followed_by_a_flush_of_the_folder()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/strace"), "Needs strace, to see what the process asks of the system.");
        string trace = _folder["trace"];
        _folder.Write("text.txt", new byte[2000]);
        using Process process = Process.Start(new ProcessStartInfo(
            "strace",
            [
                "-f", "-y", "-o", trace, "-e", "trace=rename,renameat,renameat2,fsync", "dotnet",
                Path.Combine(AppContext.BaseDirectory, "Mamba.Cli.dll"), "train", "--data", _folder["text.txt"],
                    "--output", _folder["out"],
                "--dim", "8", "--layers", "1", "--state", "8", "--head", "8", "--batch", "1", "--length", "8",
                    "--steps", "2", "--threads", "1",
            ]) { RedirectStandardOutput = true })!;
        await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        process.ExitCode.Should().Be(0);

        string[] calls = await File.ReadAllLinesAsync(trace, TestContext.Current.CancellationToken);

        string[] renames = [.. calls
            .Where(call => call.Contains(" rename", StringComparison.Ordinal)
            && call.EndsWith("= 0", StringComparison.Ordinal))];
        renames.Should().NotBeEmpty();
        for (int i = 0; i < calls.Length; i++)
        {
            if (renames.Contains(calls[i]))
            {
                string target = calls[i].Split('"')[^2], parent = Path.GetDirectoryName(target)!;
                calls.Skip(i + 1).Should().Contain(
                    call => call.Contains("fsync(", StringComparison.Ordinal)
                        && call.Contains($"<{parent}>)", StringComparison.Ordinal), calls[i]);
            }
        }
    }

    public void Dispose() => _folder.Dispose();

    private void RunToTheEnd()
    {
        using TinyRun run = new(Options);
        run.Train();
    }
}
