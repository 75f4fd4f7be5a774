using System.Globalization;
using Mamba.Checkpoints;
using Mamba.Models;
using Mamba.Models.Training;

namespace Mamba.Cli.Train;

/// <summary>
/// Saves what a run was for: the model of its best evaluation, and the last one where that is another.
/// </summary>
internal sealed class FinishedModels(
    TrainSettings settings, MambaLanguageModel model, Trainer trainer, Action<string> say)
{
    private const string LastName = "last", AdapterName = "adapter";

    /// <summary>Saves the models; the module has the weights of the first of them afterwards.</summary>
    /// <returns>The step of that model.</returns>
    public long Save(TrainingResult result)
    {
        string last = In(LastName), main = In(ModelFolder.Name);
        bool differs = result.BestStep is { } best && best != result.Step && TryRestoreBest(result);
        if (differs)
        {
            trainer.Restore(result.Checkpoint!);
            Folders.Write(last, Write);
        }

        trainer.Restore(differs ? result.BestCheckpoint! : result.Checkpoint!);
        Folders.Write(main, Write);
        if (settings.LoraRank > 0)
        {
            Folders.Write(In(AdapterName), model.SaveAdapters);
        }

        if (!differs)
        {
            Folders.Delete(last); // of an earlier end of the run
            return result.Step;
        }

        say(string.Create(
            CultureInfo.InvariantCulture,
            $"{main} is the model of step {result.BestStep:N0}, the best evaluation; " +
            $"{last} is the model of the last step."));
        return result.BestStep!.Value;
    }

    private bool TryRestoreBest(TrainingResult result)
    {
        string reason = "its checkpoint could not be saved";
        try
        {
            if (result.BestCheckpoint is { } best)
            {
                trainer.Restore(best);
                return true;
            }
        }
        catch (Exception exception)
            when (exception is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            reason = exception.Message;
        }

        say(string.Create(
            CultureInfo.InvariantCulture,
            $"Warning: the model of the best evaluation, of step {result.BestStep:N0}, is lost: {reason}. " +
            $"The last one is kept."));
        return false;
    }

    private void Write(string folder) => model.Save(folder, settings.Store switch
    {
        StoredAs.BF16 => ElementType.BF16,
        StoredAs.F16 => ElementType.F16,
        _ => ElementType.F32,
    });

    private string In(string name) => Path.Combine(settings.Output, name);
}
