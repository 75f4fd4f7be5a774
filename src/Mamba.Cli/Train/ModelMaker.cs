using Mamba.Devices;
using Mamba.Layers;
using Mamba.Models;

namespace Mamba.Cli.Train;

/// <summary>Makes the model that a run trains: a new one, or one of a folder.</summary>
internal static class ModelMaker
{
    private const int Padding = 16; // published models have tables of a multiple of 8 or 16 rows

    /// <summary>Makes the model.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="nameOf">What the user calls a setting.</param>
    /// <param name="device">Where it will live.</param>
    /// <returns>The model; the caller disposes it.</returns>
    /// <exception cref="InvalidDataException">The model of the folder does not know the tokens of the data.</exception>
    public static MambaLanguageModel Make(TrainSettings settings, Func<string, string> nameOf, Device device)
    {
        Random random = new(settings.Seed);
        MambaLanguageModel model = settings.From.Length > 0
            ? MambaLanguageModel.Load(ModelFolder.Find(settings.From), device)
            : new(device, ModelSettings.Config(settings), random);
        try
        {
            RequireSameTokens(settings, nameOf, model.Config.VocabularySize);
            model.RecomputeActivations = settings.Recompute;
            if (settings.LoraRank > 0)
            {
                LowRank.Adapt(model, new() { Rank = settings.LoraRank, Alpha = settings.LoraAlpha }, random);
            }

            if (settings.InitialState)
            {
                foreach (RecurrentMixer mixer in model.Blocks.Select(block => block.Mixer).OfType<RecurrentMixer>())
                {
                    mixer.LearnInitialState();
                }
            }

            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Throws where numbers of the data mean other tokens to the model: 256 bytes are not the first of 50,280 words.
    /// </summary>
    private static void RequireSameTokens(TrainSettings settings, Func<string, string> nameOf, int found)
    {
        static int Padded(int size) => (int)(((long)size + Padding - 1) / Padding);
        if (found < settings.Vocabulary || Padded(found) != Padded(settings.Vocabulary))
        {
            string data = settings.TokenBytes == 1 ? "bytes" : $"tokens of {settings.TokenBytes} bytes";
            throw new InvalidDataException(
                $"{nameOf("from")}: {settings.From} has {found} tokens, and the data are {data} with a vocabulary of " +
                $"{settings.Vocabulary}. A model with a tokenizer needs the text as token ids: a file of 2 or 4 " +
                $"bytes per token, with --token-bytes 2 (or 4) and --vocabulary {found}.");
        }
    }
}
