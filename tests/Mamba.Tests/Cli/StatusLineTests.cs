using System.Globalization;
using Mamba.Cli;
using Mamba.Cli.Train;
using Mamba.Models.Training;
using Spectre.Console;

namespace Mamba.Tests.Cli;

public sealed class StatusLineTests
{
    private static readonly TrainingProgress Report = new(109, 1000)
    {
        Loss = 1.656 * Math.Log(2),
        TokensPerSecond = 9753,
        Memory = 393_000_000,
        Remaining = TimeSpan.FromSeconds(374),
    };

    [Theory]
    [InlineData(120,
        "step 109/1000  1.656 bits per byte  6 min 14 s left  9,753 tokens/s  393 MB  [##....................]")]
    [InlineData(80, "step 109/1000  1.656 bits per byte  6 min 14 s left  9,753 tokens/s  393 MB")]
    [InlineData(60, "step 109/1000  1.656 bits per byte  6 min 14 s left  393 MB")]
    [InlineData(40, "step 109/1000  1.656 bits per byte")]
    [InlineData(20, "step 109/1000")]
    [InlineData(10, "")]
    public void The_line_has_what_fits(int width, string expected)
    {
        string line = StatusLine.Of(Report, "bits per byte", width);

        line.Should().Be(expected);
        line.Length.Should().BeLessThan(width);
    }

    [Fact]
    public void No_line_is_wider_than_its_terminal()
    {
        for (int width = 1; width < 150; width++)
        {
            StatusLine.Of(Report with { Step = 123_456_789_012 }, "bits per token", width).Length
                .Should().BeLessThan(width);
        }
    }

    [Theory]
    [InlineData(0.4, "0 s")]
    [InlineData(15, "15 s")]
    [InlineData(59.7, "1 min 0 s")]
    [InlineData(374, "6 min 14 s")]
    [InlineData(7384, "2 h 3 min")]
    [InlineData(187384, "2 d 4 h")]
    public void A_time_reads_like_one(double seconds, string expected) => TimeText.Of(TimeSpan.FromSeconds(seconds))
        .Should().Be(expected);

    [Fact]
    public void A_screen_that_can_no_longer_be_written_to_ends_nothing()
    {
        TrainingScreen screen = new(AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(new ClosedWriter()) }));

        screen.Say("a line");
        screen.Tell(("name", "value"));
        int result = screen.Show(progress =>
        {
            progress.Report(Report with { Warning = "a warning" });
            return 5;
        }, "bits");

        result.Should().Be(5);
        screen.Fault.Should().Be("The terminal is gone.");
    }

    [Fact]
    public void News_and_the_best_evaluation_are_lines()
    {
        using StringWriter text = new(CultureInfo.InvariantCulture);
        TrainingScreen screen = new(AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(text) }));

        screen.Show(progress =>
        {
            progress.Report(new(50, 100) { Evaluation = 2 * Math.Log(2), IsBest = true });
            progress.Report(new(60, 100) { Evaluation = 3 * Math.Log(2) });
            return 0;
        }, "bits per byte");

        text.ToString().ReplaceLineEndings("\n").Should().Be(
            "step 50: held out 2.000 bits per byte, the best so far\nstep 60: held out 3.000 bits per byte\n");
    }

    private sealed class ClosedWriter : TextWriter
    {
        public override System.Text.Encoding Encoding => System.Text.Encoding.UTF8;

        public override void Write(char value) => throw new IOException("The terminal is gone.");
    }
}
