using System.Diagnostics;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Models;
using Mamba.Models.Serving;
using Mamba.Server;
using Mamba.Tests.Hub;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace Mamba.Tests.Server;

/// <summary>Programs get the engine and the interfaces of .NET by injection, and see requests in traces.</summary>
public sealed class DependencyInjectionTests
{
    [Fact]
    public async Task The_parts_of_a_registered_folder_belong_together()
    {
        string folder = Directory.CreateTempSubdirectory("mamba-di-").FullName;
        using (CpuDevice device = new())
        using (MambaLanguageModel model = new(
            device, new() { VocabularySize = 256, Layers = [new MambaMixerOptions { ModelDim = 8, StateDim = 4 }] },
            new Random(1)))
        {
            model.Save(folder);
        }

        ServiceCollection services = new();
        services.AddMamba(folder, new() { ModelId = "tiny" });
        await using (ServiceProvider provider = services.BuildServiceProvider())
        {
            MambaEngine engine = provider.GetRequiredService<MambaEngine>();
            provider.GetRequiredService<ServedModel>().Engine.Should().BeSameAs(engine);
            var generator = provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
            (await generator.GenerateVectorAsync("a")).Length.Should().Be(8);
            provider.Invoking(p => p.GetRequiredService<IChatClient>())
                .Should().Throw<InvalidOperationException>().WithMessage("*chat template*");
            (await engine.Submit(new[] { 65 }, new() { MaxTokens = 3, StopTokens = [] }).ReadAllAsync())
                .Should().HaveCount(3);
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_name_on_the_hub_is_downloaded_when_the_model_is_needed()
    {
        string folder = Directory.CreateTempSubdirectory("mamba-di-").FullName;
        using HubServer server = new();
        using (CpuDevice device = new())
        using (MambaLanguageModel model = new(
            device, new() { VocabularySize = 256, Layers = [new MambaMixerOptions { ModelDim = 8, StateDim = 4 }] },
            new Random(1)))
        {
            model.Save(folder);
        }

        foreach (string file in Directory.EnumerateFiles(folder))
        {
            server.Files[Path.GetFileName(file)] = File.ReadAllBytes(file);
        }

        ServiceCollection services = new();
        services.AddMamba(
            "org/name",
            hub: new()
            {
                Endpoint = server.Address,
                CacheFolder = Path.Combine(folder, "cache"),
                Token = null,
                IsOffline = false,
            });
        await using (ServiceProvider provider = services.BuildServiceProvider())
        {
            server.Requests.Should().BeEmpty();
            provider.GetRequiredService<MambaEngine>().Model.Config.VocabularySize.Should().Be(256);
            server.Requests.Should().NotBeEmpty();
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Each_request_is_an_activity_below_that_of_its_caller()
    {
        await using ServerHost host = await ServerHost.StartAsync();
        using ActivitySource source = new("test");
        List<Activity> ended = [];
        using ActivityListener listener = new()
        {
            ShouldListenTo = candidate => candidate.Name is "Mamba" or "test",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                lock (ended)
                {
                    ended.Add(activity);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);

        using Activity caller = source.StartActivity("call")!;
        GenerationRequest request = host.Served.Engine.Submit(
            new[] { 65, 66 }, new() { MaxTokens = 4, StopTokens = [] });
        Activity.Current.Should().BeSameAs(caller);
        await request.ReadAllAsync();
        await request.Completion;

        Activity made;
        lock (ended)
        {
            made = ended.Single(activity => activity.TraceId == caller.TraceId);
        }

        made.OperationName.Should().Be("mamba.generate");
        made.ParentSpanId.Should().Be(caller.SpanId);
        made.GetTagItem("gen_ai.usage.input_tokens").Should().Be(2);
        made.GetTagItem("gen_ai.usage.output_tokens").Should().Be(4);
        made.GetTagItem("mamba.outcome").Should().Be("length");
        made.Events.Should().ContainSingle();
    }
}
