using Mamba.Devices;

namespace Mamba.Tests.Fuzz;

/// <summary>The readers of a run's checkpoints: to go on, and to take the weights of the best.</summary>
internal static class TrainerReaders
{
    /// <summary>Goes on.</summary>
    public static FuzzReader Run { get; } = new()
    {
        Name = "run",
        Seeds = RunSeeds.Runs,
        Open = Resume,
        Use = TakeStep,
        Change = CheckpointChanges.Of,
        Repair = CheckpointChanges.Repair,
        Refusals =
        [
            typeof(InvalidDataException), typeof(NotSupportedException), typeof(InvalidOperationException),
            .. FolderReaders.NotWritable,
        ],
    };

    /// <summary>Takes weights; training.json is not read.</summary>
    public static FuzzReader Best { get; } = new()
    {
        Name = "best checkpoint",
        Seeds = [.. RunSeeds.Runs.Select(seed => seed with
        {
            Changed = [.. seed.Changed.Where(path => !path.EndsWith(".json", StringComparison.Ordinal))],
        })],
        Open = Restore,
        Change = CheckpointChanges.Of,
        Repair = CheckpointChanges.Repair,
        Refusals = [typeof(InvalidDataException), typeof(IOException)],
    };

    /// <summary>Takes up a run; a refusal must change nothing.</summary>
    private static OpenedRun Resume(string folder, Device device)
    {
        OpenedRun run = new(device, Directory.GetDirectories(folder).Single());
        try
        {
            double[] before = run.Values();
            bool isResumed = false;
            Exception? refusal = null;
            try
            {
                isResumed = run.Trainer.Resume();
            }
            catch (Exception exception)
            {
                refusal = exception;
            }

            if (!isResumed && !run.Values().SequenceEqual(before))
            {
                throw new NotImplementedException("A refusal has changed the run.", refusal);
            }

            bool isDocumented = refusal is not InvalidOperationException
                || refusal.Message.Contains("the run was begun with other settings", StringComparison.Ordinal);
            return refusal is null ? run
                : throw (isDocumented ? refusal : new NotImplementedException("Not of other settings.", refusal));
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }

    /// <summary>Takes a step, and resumes from the checkpoint after it.</summary>
    private static void TakeStep(IDisposable opened, Device device)
    {
        OpenedRun run = (OpenedRun)opened;
        string folder = run.Folder;
        try
        {
            run.TakeStep();
        }
        catch (NotFiniteNumberException)
        {
            return; // the arrays of a checkpoint may be anything, NaN among it
        }
        catch (IOException) when (Directory.EnumerateFiles(folder, "step-*").Any())
        {
            return; // a file has the name of the next checkpoint
        }

        double[] values = run.Values();
        run.Dispose();
        using OpenedRun next = new(device, folder);
        next.Trainer.Resume().Should().BeTrue();
        next.Values().Should().Equal(values);
    }

    /// <summary>Takes the weights of the newest checkpoint; a refusal must change nothing.</summary>
    private static OpenedRun Restore(string folder, Device device)
    {
        string path = Directory.GetDirectories(folder).Single();
        OpenedRun run = new(device, path);
        try
        {
            double[] before = run.Values();
            try
            {
                string[] checkpoints = Directory.GetDirectories(path);
                run.Trainer.Restore(checkpoints.Length > 0 ? checkpoints.Max(StringComparer.Ordinal)! : path);
                return run;
            }
            catch (Exception refusal) when (!run.Values().SequenceEqual(before))
            {
                throw new InvalidOperationException("A refusal has changed the weights.", refusal);
            }
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }
}
