using System.Globalization;
using Mamba.Cli.Train;
using Mamba.Models.Training;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Cli;

public sealed class RunLogTests : IDisposable
{
    private const string Header =
        "step,loss_nats,learning_rate,gradient_norm,tokens_per_second,seconds,held_out_loss_nats,warning";

    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _warnings = [];

    private string Log => _folder["log.csv"];

    [Fact]
    public void Every_row_is_in_the_file_at_once()
    {
        using RunLog log = Open(0);

        for (int step = 1; step <= 3; step++)
        {
            log.Add(Step(step));
            Rows().Should().HaveCount(step);
        }
    }

    [Fact]
    public void A_log_that_is_taken_up_keeps_its_rows_and_their_points()
    {
        using (RunLog log = Open(0))
        {
            log.Add(Step(1));
            log.Add(Step(2) with { Warning = "skipped", Loss = double.NaN, GradientNorm = double.PositiveInfinity });
            log.Add(new(2, 9) { Evaluation = 1.5, Elapsed = TimeSpan.FromSeconds(2) });
            log.Add(Step(3));
        }

        string[] before = Rows();
        using RunLog resumed = Open(2);

        Rows().Should().Equal(before[..3]);
        resumed.Training.Should().Equal((1, 0.5), (2, double.NaN));
        resumed.HeldOut.Should().Equal((2, 1.5));
        _warnings.Should().BeEmpty();
        before[1].Should().Be("2,NaN,0.1,Infinity,1000,2.0,,skipped");
        before[2].Should().Be("2,,,,,2.0,1.5,");
    }

    [Theory]
    [InlineData("2,zero,0.1,1,1000,2.0,,")]
    [InlineData("2,0.5")]
    [InlineData("two,0.5,0.1,1,1000,2.0,,")]
    [InlineData("2,0.5,0.1,1,1000,2.0,,,")]
    [InlineData("2,0.5,0.1,1,1000,2.0,,skip")]
    [InlineData("2,,0.1,1,1000,2.0,,")]
    [InlineData("2,0.5,0.1,1,1000,2.0,0.5,")]
    [InlineData("-2,0.5,0.1,1,1000,2.0,,")]
    [InlineData("99999999999999999999,0.5,0.1,1,1000,2.0,,")]
    [InlineData("2,0.5,1e,1,1000,2.0,,")]
    [InlineData("\0\0\0\0")]
    [InlineData("")]
    public void A_damaged_row_is_dropped_and_said(string row)
    {
        File.WriteAllText(Log, $"{Header}\n1,0.5,0.1,1,1000,2.0,,\n{row}\n3,0.5,0.1,1,1000,2.0,,\n");

        using RunLog log = Open(3);

        Rows().Should().HaveCount(2);
        log.Training.Should().Equal((1, 0.5), (3, 0.5));
        _warnings.Should().Equal($"{Log}: line 3 is damaged and was dropped.");
    }

    [Fact]
    public void A_last_row_without_an_end_is_damaged()
    {
        File.WriteAllText(Log, $"{Header}\n1,0.5,0.1,1,1000,2.0,,\n2,0.5,0.1,1,1000,2.0,1.");

        using RunLog log = Open(9);

        Rows().Should().HaveCount(1);
        _warnings.Should().ContainSingle();
    }

    [Fact]
    public void Many_damaged_rows_are_one_warning()
    {
        File.WriteAllText(Log, $"{Header}\n" + string.Concat(Enumerable.Repeat("x\n", 50)) + new string('y', 1 << 20));

        using RunLog log = Open(9);

        _warnings.Should().Equal($"{Log}: 51 lines are damaged and were dropped, the first is line 2.");
        File.ReadAllText(Log).Should().Be(Header + "\n");
    }

    [Fact]
    public void A_log_that_is_right_is_not_written_anew()
    {
        using (RunLog log = Open(0))
        {
            log.Add(Step(1));
        }

        DateTime old = new(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(Log, old);
        using RunLog resumed = Open(1);

        File.GetLastWriteTimeUtc(Log).Should().Be(old);
    }

    [Fact]
    public void Numbers_are_written_the_same_in_every_culture()
    {
        CultureInfo comma = (CultureInfo)CultureInfo.InvariantCulture.Clone(), before = CultureInfo.CurrentCulture;
        comma.NumberFormat.NumberDecimalSeparator = ",";
        try
        {
            CultureInfo.CurrentCulture = comma;
            using RunLog log = Open(0);
            log.Add(Step(1));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }

        Rows().Should().Equal("1,0.5,0.1,1,1000,2.0,,");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void Rows_that_a_full_disk_refuses_are_one_warning_and_are_written_when_there_is_room(int room)
    {
        NarrowDisk disk =
            new(new FileStream(_folder["disk"], FileMode.Create, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0));
        using (RunLog log = new(Log, 0, _warnings.Add, _ => disk))
        {
            log.Add(Step(1));
            disk.Room = room; // for a part of a row
            log.Add(Step(2));
            log.Add(Step(3));
            log.Fault.Should().Be($"{Log} lacks its last rows: The disk is full.");
            disk.Room = int.MaxValue;
            log.Flush(toDisk: true);
            log.Fault.Should().BeNull();
            log.Add(Step(4));
        }

        File.ReadAllLines(_folder["disk"]).Select(line => line[..2]).Should().Equal("1,", "2,", "3,", "4,");
        _warnings.Should().Equal(
            $"{Log} lacks its last rows: The disk is full. The run continues, and they are written when that is " +
            "possible.");
    }

    [Fact]
    public void A_log_that_cannot_be_made_is_a_warning()
    {
        Directory.CreateDirectory(Log);
        using RunLog log = Open(0);

        log.Add(Step(1));

        log.Training.Should().ContainSingle();
        _warnings.Should().ContainSingle().Which.Should().StartWith($"{Log} lacks its last rows: ");
        Directory.Delete(Log);
        log.Flush(toDisk: true);
        Rows().Should().HaveCount(1);
    }

    [Fact]
    public void A_device_that_is_always_full_is_a_warning()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "Needs /dev/full.");
        using RunLog log = new(
            Log, 0, _warnings.Add, _ =>
                new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0));

        log.Add(Step(1));

        _warnings.Should().ContainSingle().Which.Should().Contain("No space left on device");
    }

    public void Dispose() => _folder.Dispose();

    private static TrainingProgress Step(long step) => new(step, 9)
    {
        Loss = 0.5,
        LearningRate = 0.1,
        GradientNorm = 1,
        TokensPerSecond = 1000,
        Elapsed = TimeSpan.FromSeconds(2),
    };

    private RunLog Open(long step) => new(Log, step, _warnings.Add);

    private string[] Rows() => File.ReadAllLines(Log)[1..];

    /// <summary>A file on a disk that has room for so many bytes.</summary>
    private sealed class NarrowDisk(FileStream file) : Stream
    {
        public int Room { get; set; } = int.MaxValue;

        public override bool CanRead => false;

        public override bool CanSeek => true;

        public override bool CanWrite => true;

        public override long Length => file.Length;

        public override long Position { get => file.Position; set => file.Position = value; }

        public override void Flush() => file.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => file.Seek(offset, origin);

        public override void SetLength(long value) => file.SetLength(value);

        public override void Write(byte[] buffer, int offset, int count)
        {
            file.Write(buffer, offset, Math.Min(count, Room));
            if (count > Room)
            {
                throw new IOException("The disk is full.");
            }
        }

        protected override void Dispose(bool disposing)
        {
            file.Dispose();
            base.Dispose(disposing);
        }
    }
}
