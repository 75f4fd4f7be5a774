using System.Text;
using Mamba.Devices;

namespace Mamba.Tests.Fuzz;

/// <summary>Readers that do what none may are found.</summary>
public sealed class FuzzRunTests
{
    private static readonly FuzzSeed _seed = new(
        new Dictionary<string, byte[]> { ["x.json"] = """{"a": 1, "b": [2, {"c": NaN}]}"""u8.ToArray() }, "x.json");

    [Fact]
    public void What_is_not_documented_is_found()
    {
        ShouldFind(
            _ => throw new FormatException(), "\"MAMBA_FUZZ_CASE=tested/random/1/0\" ended with FormatException*");
        ShouldFind(_ => throw new FileNotFoundException(), "*ended with FileNotFoundException*Changed: x.json: *");
    }

    [Fact]
    public void Time_above_the_limit_is_found() => ShouldFind(
        _ =>
        {
            Thread.Sleep(60);
            throw new IOException();
        },
        "*took *0?06* s and * bytes*",
        maxTime: 50);

    [Fact]
    public void A_reader_that_never_ends_is_found()
    {
        using ManualResetEventSlim end = new();

        ShouldFind(
            _ =>
            {
                end.Wait();
                throw new IOException();
            },
            "*has not ended after 0?2 s*",
            hang: 200);
        end.Set();
    }

    [Fact]
    public void Memory_above_the_limit_is_found_on_the_heap_and_on_the_device()
    {
        ShouldFind(
            _ =>
            {
                GC.KeepAlive(new byte[FuzzRun.MaxMemory + 1000]);
                throw new IOException();
            },
            "*took * bytes beyond the files' own*");
        ShouldFind(
            device =>
            {
                device.Free(device.Allocate([1 << 20, 9])); // 8 bytes each
                throw new IOException();
            },
            "*took * bytes beyond the files' own*");
    }

    [Fact]
    public void Memory_that_is_left_on_the_device_is_found() => ShouldFind(
        device =>
        {
            device.Allocate([3]);
            throw new IOException();
        },
        "*12 bytes are left on the device*");

    [Fact]
    public void A_use_that_throws_is_found() => ShouldFind(
        _ => new MemoryStream(), "*ended with IOException*", use: (_, _) => throw new IOException());

    [Fact]
    public void A_case_is_the_same_every_time()
    {
        foreach (FuzzReader reader in (FuzzReader[])[.. CheckpointReaders.All, .. RunReaders.All])
        {
            for (int index = 0; index < 20; index++)
            {
                FuzzCase first = FuzzCase.Random(reader, 7, index), second = FuzzCase.Of(reader, first.Id);

                second.Change.Should().Be(first.Change);
                second.Files.Files.Should().OnlyContain(file => first.Files.Files[file.Key].SequenceEqual(file.Value));
            }
        }
    }

    [Fact]
    public void Every_key_and_item_gets_every_value()
    {
        FuzzCase[] cases = [.. FuzzCase.Keys(Reader(_ => new MemoryStream())).Select(make => make())];

        string[] changed = Array.ConvertAll(cases, one => Encoding.UTF8.GetString(one.Files.Files["x.json"]));

        changed.Should().HaveCount(5 * (BoundaryValues.Json.Length + 4))
            .And.Contain("""{"a": null, "b": [2, {"c": NaN}]}""")
            .And.Contain("""{"a": 1, "b": [2, {"c": 1e300}]}""")
            .And.Contain("""{"a": 1, "b": [-1, {"c": NaN}]}""")
            .And.Contain("""{"a": 1, "b": {}}""")
            .And.Contain("""{ "b": [2, {"c": NaN}]}""")
            .And.Contain("""{"a": 1, "b": [2]}""")
            .And.Contain("""{"a": 1,"a": 1, "b": [2, {"c": NaN}]}""");
    }

    private static FuzzReader Reader(Func<Device, IDisposable> open) => new()
    {
        Name = "tested",
        Seeds = [_seed],
        Open = (_, device) => open(device),
        Refusals = [typeof(IOException)],
    };

    private static void ShouldFind(
        Func<Device, IDisposable> open,
        string message,
        Action<IDisposable, Device>? use = null,
        int maxTime = 1000,
        int hang = 60_000)
    {
        FuzzReader reader = Reader(open) with { Use = use ?? ((_, _) => { }) };
        using FuzzRun run = new(reader)
        {
            MaxTime = TimeSpan.FromMilliseconds(maxTime),
            Hang = TimeSpan.FromMilliseconds(hang),
        };

        Action find = () => run.Run(FuzzCase.Random(reader, seed: 1, index: 0));

        find.Should().Throw<InvalidOperationException>().WithMessage(message);
    }
}
