using System.Net;
using System.Text;
using Mamba.Cpu;
using Mamba.Models;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Hub;

/// <summary>Downloads from a server on this machine that behaves as the hub, and misbehaves.</summary>
public sealed class ModelHubTests : IDisposable
{
    private const string Name = "org/name", Config = "config.json", Weights = "model.safetensors";

    private readonly HubServer _server = new();
    private readonly TemporaryFolder _folder = new();
    private readonly byte[] _weights = [.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * 7))];

    public ModelHubTests()
    {
        _server.Files[Config] = "{}"u8.ToArray();
        _server.Files[Weights] = _weights;
        _server.Files["README.md"] = "Not a part of the model."u8.ToArray();
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private ModelHubOptions Options => new()
    {
        Endpoint = _server.Address,
        CacheFolder = _folder.Path,
        Token = null,
        IsOffline = false,
        RetryDelay = TimeSpan.FromMilliseconds(1),
    };

    private string Repository => _folder["models--org--name"];

    private string WeightsBlob => Path.Combine(Repository, "blobs", HubServer.ETagOf(_weights));

    public void Dispose()
    {
        _server.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_model_is_downloaded_in_the_layout_of_Hugging_Faces_cache()
    {
        using ModelHub hub = new(Options);

        string path = await hub.DownloadAsync(Name, cancellation: Cancellation);

        path.Should().Be(Path.Combine(Repository, "snapshots", HubServer.Commit));
        File.ReadAllBytes(Path.Combine(path, Weights)).Should().Equal(_weights);
        File.ReadAllBytes(WeightsBlob).Should().Equal(_weights);
        new FileInfo(Path.Combine(path, Weights)).LinkTarget.Should().Be(
            Path.Combine("..", "..", "blobs", HubServer.ETagOf(_weights)));
        File.ReadAllText(Path.Combine(Repository, "refs", "main")).Should().Be(HubServer.Commit);
        Directory.GetFiles(path).Select(Path.GetFileName).Should().BeEquivalentTo(Config, Weights);
    }

    [Fact]
    public async Task What_the_cache_has_is_not_downloaded_again()
    {
        using ModelHub hub = new(Options);
        await hub.DownloadAsync(Name, cancellation: Cancellation);
        int before = _server.Requests.Count;

        await hub.DownloadAsync(Name, cancellation: Cancellation);

        _server.Requests.Skip(before).Should().Equal("GET /api/models/org/name/revision/main");
    }

    [Fact]
    public async Task A_cut_connection_is_continued_where_it_was_cut()
    {
        _server.Cuts.Enqueue(100_000);
        using ModelHub hub = new(Options);

        string path = await hub.DownloadAsync(Name, cancellation: Cancellation);

        File.ReadAllBytes(Path.Combine(path, Weights)).Should().Equal(_weights);
        string[] contents =
            [.. _server.Requests.Where(request => request.Contains("content", StringComparison.Ordinal))];
        contents.Should().HaveCount(2);
        contents[1].Should().MatchRegex(@"bytes=[1-9]\d*-$");
    }

    [Fact]
    public async Task A_later_download_continues_an_earlier_one()
    {
        for (int i = 0; i < 5; i++)
        {
            _server.Cuts.Enqueue(10_000);
        }

        using ModelHub hub = new(Options);
        await hub.Awaiting(it => it.DownloadAsync(Name, cancellation: Cancellation))
            .Should().ThrowAsync<HttpIOException>().WithMessage("*org/name*cut*");
        File.Exists(Path.Combine(Repository, "snapshots", HubServer.Commit, Weights)).Should().BeFalse();

        string path = await hub.DownloadAsync(Name, cancellation: Cancellation);

        File.ReadAllBytes(Path.Combine(path, Weights)).Should().Equal(_weights);
    }

    [Fact]
    public async Task A_server_that_ignores_ranges_sends_the_whole_file_again()
    {
        _server.Cuts.Enqueue(100_000);
        _server.IgnoresRanges = true;
        using ModelHub hub = new(Options);

        string path = await hub.DownloadAsync(Name, cancellation: Cancellation);

        File.ReadAllBytes(Path.Combine(path, Weights)).Should().Equal(_weights);
    }

    [Fact]
    public async Task A_wrong_hash_is_refused_and_leaves_nothing()
    {
        _server.Damaged = [.. _weights];
        _server.Damaged[77]++;
        using ModelHub hub = new(Options);

        await hub.Awaiting(it => it.DownloadAsync(Name, cancellation: Cancellation))
            .Should().ThrowAsync<InvalidDataException>()
            .WithMessage($"*{Weights}*expected the hash {HubServer.ETagOf(_weights)}*");

        Directory.GetFiles(Repository, "*", SearchOption.AllDirectories)
            .Should().NotContain(file => file.Contains(HubServer.ETagOf(_weights), StringComparison.Ordinal));
        hub.FindInCache(Name).Should().BeNull();
    }

    [Fact]
    public async Task A_damaged_part_of_an_earlier_download_is_thrown_away()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(WeightsBlob)!);
        File.WriteAllBytes($"{WeightsBlob}.incomplete", new byte[1000]);
        using ModelHub hub = new(Options);

        string path = await hub.DownloadAsync(Name, cancellation: Cancellation);

        File.ReadAllBytes(Path.Combine(path, Weights)).Should().Equal(_weights);
    }

    [Fact]
    public async Task A_private_model_needs_the_token_which_goes_to_the_hub_alone()
    {
        _server.Token = "secret";
        using ModelHub without = new(Options), with = new(Options with { Token = "secret" });

        (await without.Awaiting(it => it.DownloadAsync(Name, cancellation: Cancellation))
            .Should().ThrowAsync<HttpRequestException>().WithMessage("*org/name*private or gated*HF_TOKEN*"))
            .Which.StatusCode.Should().Be(HttpStatusCode.Unauthorized);
        await with.DownloadAsync(Name, cancellation: Cancellation);

        _server.ContentSawToken.Should().BeFalse();
        (Options with { Token = "secret" }).ToString().Should().NotContain("secret");
    }

    [Theory]
    [InlineData("org/name@v2", "*has no revision v2*")]
    [InlineData("org/other", "*there is no api/models/org/other*")]
    public async Task What_is_not_there_is_named(string name, string message)
    {
        using ModelHub hub = new(Options);

        (await hub.Awaiting(it => it.DownloadAsync(name, cancellation: Cancellation))
            .Should().ThrowAsync<HttpRequestException>().WithMessage(message))
            .Which.StatusCode.Should().Be(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_busy_server_is_asked_again()
    {
        _server.Refusals.Enqueue(HttpStatusCode.ServiceUnavailable);
        _server.Refusals.Enqueue(HttpStatusCode.TooManyRequests);
        using ModelHub hub = new(Options);

        await hub.DownloadAsync(Name, cancellation: Cancellation);

        File.Exists(WeightsBlob).Should().BeTrue();
    }

    [Fact]
    public async Task A_silent_server_ends_the_download_in_time()
    {
        _server.IsSilent = true;
        using ModelHub hub = new(Options with { Timeout = TimeSpan.FromSeconds(0.2), Attempts = 2 });

        await hub.Awaiting(it => it.DownloadAsync(Name, cancellation: Cancellation))
            .Should().ThrowAsync<TimeoutException>().WithMessage("*sent nothing for 0.2 s*");
    }

    [Fact]
    public async Task Offline_only_the_cache_is_used()
    {
        using ModelHub hub = new(Options), offline = new(Options with { IsOffline = true });
        await offline.Awaiting(it => it.DownloadAsync(Name, cancellation: Cancellation))
            .Should().ThrowAsync<FileNotFoundException>().WithMessage("*org/name*not in the cache*");
        string path = await hub.DownloadAsync(Name, cancellation: Cancellation);
        int before = _server.Requests.Count;

        (await offline.DownloadAsync(Name, cancellation: Cancellation)).Should().Be(path);

        _server.Requests.Should().HaveCount(before);
    }

    [Fact]
    public async Task Without_a_connection_the_cache_is_used()
    {
        string path;
        using (ModelHub hub = new(Options))
        {
            path = await hub.DownloadAsync(Name, cancellation: Cancellation);
        }

        _server.Dispose();
        using ModelHub unreachable = new(Options with { Attempts = 1 });

        (await unreachable.DownloadAsync(Name, cancellation: Cancellation)).Should().Be(path);
        (await unreachable.Awaiting(it => it.DownloadAsync("org/other", cancellation: Cancellation))
            .Should().ThrowAsync<HttpRequestException>().WithMessage("*cannot be reached*"))
            .Which.StatusCode.Should().BeNull();
    }

    [Fact]
    public async Task Two_downloads_at_once_share_one()
    {
        using ModelHub one = new(Options), two = new(Options);

        await Task.WhenAll(
            one.DownloadAsync(Name, cancellation: Cancellation), two.DownloadAsync(Name, cancellation: Cancellation));

        _server.Requests.Should().ContainSingle(request => request.StartsWith("GET content", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("../../escaped")]
    [InlineData("/etc/passwd")]
    [InlineData("a\\b")]
    public async Task A_hostile_list_is_refused(string file)
    {
        _server.Files[file] = [1];
        using ModelHub hub = new(Options);

        await hub.Awaiting(it => it.DownloadAsync(Name, cancellation: Cancellation))
            .Should().ThrowAsync<InvalidDataException>();
    }

    [Fact]
    public async Task A_cancelled_download_keeps_what_has_come()
    {
        _server.IsSilent = true;
        using CancellationTokenSource source = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        using ModelHub hub = new(Options);
        Task<string> download = hub.DownloadAsync(Name, cancellation: source.Token);
        while (!File.Exists($"{WeightsBlob}.incomplete"))
        {
            await Task.Delay(5, Cancellation);
        }

        source.Cancel();

        await download.Awaiting(it => it).Should().ThrowAsync<OperationCanceledException>();
        _server.IsSilent = false;
        await hub.DownloadAsync(Name, cancellation: Cancellation);
        File.Exists($"{WeightsBlob}.incomplete").Should().BeFalse();
    }

    [Fact]
    public async Task Progress_ends_with_all_bytes()
    {
        List<HubProgress> reports = [];
        using ModelHub hub = new(Options);

        await hub.DownloadAsync(Name, new Immediate(reports.Add), Cancellation);

        reports.Select(report => report.Bytes).Should().BeInAscendingOrder();
        reports[^1].Should().Be(new HubProgress(Weights, _weights.Length + 2, _weights.Length + 2));
    }

    [Theory]
    [InlineData("org/name", "model-Q4_K_M.gguf")]
    [InlineData("org/name:q8_0", "model-Q8_0.gguf")]
    [InlineData("org/name:model-F16-00001-of-00002.gguf", "model-F16-00001-of-00002.gguf")]
    [InlineData("org/name:F16", "model-F16-00001-of-00002.gguf")]
    public async Task A_repository_of_GGUF_files_gives_the_file_that_is_asked_for(string name, string expected)
    {
        _server.Files.Clear();
        string[] files =
            ["model-Q4_K_M.gguf", "model-Q8_0.gguf", "model-F16-00001-of-00002.gguf", "model-F16-00002-of-00002.gguf"];
        foreach (string file in files)
        {
            _server.Files[file] = [.. file.Select(letter => (byte)letter)];
        }

        using ModelHub hub = new(Options);
        string path = await hub.DownloadAsync(name, cancellation: Cancellation);

        Path.GetFileName(path).Should().Be(expected);
        Directory.GetFiles(Path.GetDirectoryName(path)!).Should().HaveCount(
            expected.Contains("F16", StringComparison.Ordinal) ? 2 : 1);
        hub.FindInCache(name).Should().Be(path);
    }

    [Fact]
    public async Task A_GGUF_file_that_is_not_there_is_refused_with_those_that_are()
    {
        _server.Files.Clear();
        _server.Files["a-Q4_0.gguf"] = _server.Files["b-Q4_0.gguf"] = [1];
        using ModelHub hub = new(Options);

        await hub.Awaiting(it => it.DownloadAsync("org/name:Q4_0", cancellation: Cancellation))
            .Should().ThrowAsync<FileNotFoundException>().WithMessage("*one GGUF file*a-Q4_0.gguf, b-Q4_0.gguf*");
    }

    [Fact]
    public async Task A_snapshot_that_lacks_a_part_of_the_weights_is_not_in_the_cache()
    {
        string[] parts = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        _server.Files.Remove(Weights);
        _server.Files["model.safetensors.index.json"] =
            Encoding.UTF8.GetBytes($$$"""{"weight_map":{"a":"{{{parts[0]}}}","b":"{{{parts[1]}}}"}}""");
        (_server.Files[parts[0]], _server.Files[parts[1]]) = ([1], [2]);
        using ModelHub hub = new(Options);
        string path = await hub.DownloadAsync(Name, cancellation: Cancellation);
        hub.FindInCache(Name).Should().Be(path);

        File.Delete(Path.Combine(path, parts[1]));

        hub.FindInCache(Name).Should().BeNull();
    }

    [Theory]
    [InlineData("name")]
    [InlineData("../name")]
    [InlineData("org/..")]
    [InlineData("org/name/more")]
    [InlineData("org/name@")]
    [InlineData("org/name@../../x")]
    [InlineData("")]
    public async Task What_is_no_name_is_refused(string name)
    {
        using ModelHub hub = new(Options);

        ModelHub.IsName(name).Should().BeFalse();
        await hub.Awaiting(it => it.DownloadAsync(name, cancellation: Cancellation))
            .Should().ThrowAsync<ArgumentException>().WithMessage("*org/name*");
    }

    [Fact]
    public async Task A_model_is_loaded_by_its_name()
    {
        using CpuDevice device = new(1);
        using MambaLanguageModel saved = new(device, LanguageModelConfig.Mamba1(16, 1, 32), new Random(1));
        using TemporaryFolder folder = new();
        saved.Save(folder.Path);
        foreach (string file in Directory.GetFiles(folder.Path))
        {
            _server.Files[Path.GetFileName(file)] = File.ReadAllBytes(file);
        }

        using MambaLanguageModel loaded =
            await MambaLanguageModel.LoadAsync(Name, device, hub: Options, cancellation: Cancellation);

        loaded.Embedding.Weight.Value.ToArray().Should().Equal(saved.Embedding.Weight.Value.ToArray());
        Func<Task> neither = () => MambaLanguageModel.LoadAsync("nothing", device, hub: Options);
        await neither.Should().ThrowAsync<DirectoryNotFoundException>().WithMessage("*org/name*found \"nothing\"*");
    }

    /// <summary>Reports on the thread that reports, in order.</summary>
    private sealed class Immediate(Action<HubProgress> report) : IProgress<HubProgress>
    {
        public void Report(HubProgress value) => report(value);
    }
}
