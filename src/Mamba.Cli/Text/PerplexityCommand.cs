using System.CommandLine;
using System.Diagnostics;
using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Memory;
using Mamba.Models;
using Mamba.Text;
using Spectre.Console;

namespace Mamba.Cli.Text;

/// <summary><c>mamba perplexity</c>: how well a model predicts a text.</summary>
internal static class PerplexityCommand
{
    private const int Piece = 512;

    public static Command Create()
    {
        Argument<string> model = new("model") { Description = "A model's folder, a GGUF file, or a finished run's." };
        Argument<string> file = new("file") { Description = "The text, in UTF-8." };
        Option<int> context = Options.Positive(
            "--context", "Tokens before each predicted one that the model reads. [default: all]", null);
        Option<int> stride = Options.Positive(
            "--stride", "Tokens that are predicted at a time after one reading of --context tokens.", 512);
        Option<int> tokens = Options.Positive("--tokens", "Most tokens to predict. [default: all]", null);
        Option<string?> tokenizer = new("--tokenizer")
        {
            Description = "File or folder of the tokenizer. [default: the model's]",
            HelpName = "path",
        };
        Option<Precision?> weights = Options.Weights();
        Option<string> device = new("--device")
        {
            Description = DeviceSetting.Description,
            HelpName = "name",
            DefaultValueFactory = _ => "cpu",
        };
        Option<int> threads = Options.Positive(
            "--threads", "CPU threads. [default: one per physical core]", null, CpuDevice.MaxThreads);
        Option<bool> json = JsonText.Option("Print one JSON object instead of the table.");
        Command command = new("perplexity", "Measures how well a model predicts a text.")
        {
            model, file, context, stride, tokens, tokenizer, weights, device, threads, json,
        };
        command.SetAction((parsed, cancellation) => Program.Guard(command.Name, () => Task.FromResult(Run(
            parsed.GetRequiredValue(model),
            parsed.GetRequiredValue(file),
            parsed.GetValue(tokenizer),
            parsed.GetValue(weights),
            DeviceSetting.Read(parsed.GetValue(device)!, parsed.GetValue(threads)),
            new(parsed.GetValue(context), parsed.GetValue(stride), parsed.GetValue(tokens)),
            parsed.GetValue(json),
            cancellation))));
        return command;
    }

    private static int Run(
        string name,
        string file,
        string? tokenizerPath,
        Precision? weights,
        Gpu.DeviceName deviceName,
        Windows windows,
        bool isJson,
        CancellationToken cancellation)
    {
        string folder = ModelFolder.Find(name), text = File.ReadAllText(file);
        using Device device = deviceName.Open();
        using MambaLanguageModel model = MambaLanguageModel.Load(folder, device, precision: weights);
        TextTokenizer tokenizer = ModelTokenizer.Load(tokenizerPath ?? folder, model.Config.VocabularySize);
        int[] ids = tokenizer.Encode(text);
        if (ids.Length < 2)
        {
            throw new InvalidDataException($"{file}: expected a text of at least two tokens; found {ids.Length}.");
        }

        long start = Stopwatch.GetTimestamp();
        IAnsiConsole console = AnsiConsole.Console;
        bool isWatched = !isJson && console.Profile.Capabilities.Interactive && console.Profile.Out.IsTerminal;
        PerplexityReport report = isWatched
            ? console.Progress().Start(context =>
            {
                ProgressTask task = context.AddTask("predicting", maxValue: windows.CountOf(ids.Length));
                return Measure(model, ids, windows, done => task.Value = done, cancellation);
            })
            : Measure(model, ids, windows, _ => { }, cancellation);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        int bytes = System.Text.Encoding.UTF8.GetByteCount(tokenizer.Decode(ids.AsSpan(1, report.Tokens)));
        report = report with
        {
            Model = name,
            BitsPerByte = report.NatsPerToken * report.Tokens / Math.Log(2) / Math.Max(bytes, 1),
            TokensPerSecond = report.Tokens / seconds,
        };
        if (isJson)
        {
            Console.WriteLine(JsonText.Of(report));
            return 0;
        }

        Summary.Write(console, [
            ("tokens", Text($"{report.Tokens:N0} predicted, {ids.Length:N0} in the text")),
            ("perplexity", Text($"{report.Perplexity:0.0000}")),
            ("loss", Text($"{report.NatsPerToken:0.0000} nats per token")),
            ("bits per token", Text($"{report.NatsPerToken / Math.Log(2):0.0000}")),
            ("bits per byte", Text($"{report.BitsPerByte:0.0000}")),
            ("speed", Text($"{report.TokensPerSecond:0.0} tokens/s"))]);
        return 0;
    }

    /// <summary>Predicts every token but the first from the ones before it, or from a window of them.</summary>
    private static PerplexityReport Measure(
        MambaLanguageModel model, int[] ids, Windows windows, Action<int> progress, CancellationToken cancellation)
    {
        int count = windows.CountOf(ids.Length), done = 0;
        double sum = 0;
        using DeviceScope whole = model.Device.Scope();
        using Tape.Suspension pause = Tape.Suspend(model.Device);
        ModelState state = model.CreateState();
        try
        {
            while (done < count)
            {
                cancellation.ThrowIfCancellationRequested();
                int end = Math.Min(count, done + (windows.Context == 0 ? Piece : windows.Stride));
                if (windows.Context > 0)
                {
                    state.Dispose();
                    state = model.CreateState();
                    int first = Math.Max(0, done - windows.Context);
                    Read(ids.AsSpan(first, done - first), state);
                }

                while (done < end)
                {
                    int length = Math.Min(Piece, end - done);
                    using DeviceScope scope = model.Device.Scope();
                    DeviceArray loss =
                        model.Loss(ids.AsSpan(done, length), ids.AsSpan(done + 1, length), 1, state);
                    sum += (double)loss.ToArray()[0] * length;
                    done += length;
                    progress(done);
                }
            }
        }
        finally
        {
            state.Dispose();
        }

        return new() { Tokens = count, NatsPerToken = sum / count };

        void Read(ReadOnlySpan<int> before, ModelState state)
        {
            float[] logits = new float[model.Config.PaddedVocabularySize];
            for (int at = 0; at < before.Length; at += Piece)
            {
                model.Prefill(before.Slice(at, Math.Min(Piece, before.Length - at)), state, logits, cancellation);
            }
        }
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);

    /// <summary>What is predicted from what.</summary>
    /// <param name="Context">Tokens before a window that are read; 0: all, in one pass.</param>
    /// <param name="Stride">Tokens of a window.</param>
    /// <param name="Most">Most tokens; 0: all.</param>
    private sealed record Windows(int Context, int Stride, int Most)
    {
        public int CountOf(int length) => Most == 0 ? length - 1 : Math.Min(Most, length - 1);
    }
}
