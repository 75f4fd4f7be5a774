using System.Diagnostics;
using Mamba.Cpu;
using Mamba.Models;

namespace Mamba.Tests.Cpu;

/// <summary>Pools whose threads are more than the processors, because of other pools or of their own number.</summary>
public sealed class WorkersInCompanyTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public void Two_crowded_devices_at_once_are_about_as_fast_as_one_after_the_other()
    {
        const int Rounds = 3, Attempts = 5; // other programs may have the processors for a while
        const double Enough = 0.85;
        int threads = Math.Clamp(Environment.ProcessorCount, 2, 8);
        SecondsOf(2, threads); // until all is compiled
        double median = 0;

        for (int round = 0; round < Rounds && median < Enough; round++)
        {
            IEnumerable<double> ratios = Enumerable.Range(0, Attempts)
                .Select(_ => 2 * SecondsOf(1, threads) / SecondsOf(2, 2 * threads));
            median = ratios.Order().ElementAt(Attempts / 2);
        }

        median.Should().BeGreaterThanOrEqualTo(Enough, "workers that wait must leave processors to those that work");
    }

    [Fact]
    public void More_threads_than_processors_go_on()
    {
        using Writer writer = new(4 * Environment.ProcessorCount);
        Thread thread = new(() => writer.Write(100)) { IsBackground = true };

        thread.Start();

        thread.Join(Patience).Should().BeTrue();
    }

    /// <summary>The time in which some devices, alone in this test, write as many tokens each.</summary>
    private static double SecondsOf(int devices, int threads)
    {
        Writer[] writers = [.. Enumerable.Range(0, devices).Select(_ => new Writer(threads))];
        Array.ForEach(writers, writer => writer.Write(300)); // the first tokens take longer
        Thread[] callers = Array.ConvertAll(writers, writer => new Thread(() => writer.Write(500)));
        long start = Stopwatch.GetTimestamp();
        Array.ForEach(callers, caller => caller.Start());
        Array.ForEach(callers, caller => caller.Join());
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Array.ForEach(writers, writer => writer.Dispose());
        return seconds;
    }

    /// <summary>A small model that writes: many short jobs a token.</summary>
    private sealed class Writer : IDisposable
    {
        private static readonly LanguageModelConfig Config = LanguageModelConfig.Mamba1(64, 2, 256);

        private readonly float[] _logits = new float[Config.PaddedVocabularySize];
        private readonly CpuDevice _device;
        private readonly MambaLanguageModel _model;
        private readonly ModelState _state;

        public Writer(int threads)
        {
            _device = new(threads);
            _model = new(_device, Config, new Random(1));
            _state = _model.CreateState();
        }

        public void Write(int tokens)
        {
            for (int i = 0; i < tokens; i++)
            {
                _model.Step([i % Config.VocabularySize], _state, _logits);
            }
        }

        public void Dispose()
        {
            _state.Dispose();
            _model.Dispose();
            _device.Dispose();
        }
    }
}
