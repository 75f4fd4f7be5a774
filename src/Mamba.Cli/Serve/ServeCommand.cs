using System.CommandLine;
using System.Net;
using Mamba.Cli.Text;
using Mamba.Devices;
using Mamba.Models;
using Mamba.Server;
using Mamba.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Mamba.Cli.Serve;

/// <summary><c>mamba serve</c>: an HTTP server with the interface of OpenAI's servers, and a page to chat.</summary>
internal static class ServeCommand
{
    public static Command Create()
    {
        Command command = new(
            "serve", "Serves a model over HTTP, with the interface of OpenAI's servers and a page to chat.");
        ServeOptions options = new(command);
        command.SetAction((parsed, cancellation) => Program.Guard(
            command.Name, () => RunAsync(options.Read(parsed), cancellation)));
        return command;
    }

    private static async Task<int> RunAsync(ServeSettings settings, CancellationToken cancellation)
    {
        string folder = ModelFolder.Find(settings.Model);
        using Device device = settings.Device.Open();
        using MambaLanguageModel model = MambaLanguageModel.Load(folder, device, precision: settings.Weights);
        TextTokenizer tokenizer = ModelTokenizer.Load(settings.Tokenizer ?? folder, model.Config.VocabularySize);
        ChatTemplate? template = settings.Template is null
            ? null
            : ChatTemplate.Parse(await File.ReadAllTextAsync(settings.Template, cancellation));
        MambaServerOptions options = settings.Server with { ModelId = settings.Id ?? NameOf(settings.Model) };
        await using WebApplication app = Build(settings, model, tokenizer, options, template);
        app.MapMamba();
        await app.StartAsync(cancellation);
        if (!IPAddress.IsLoopback(settings.Host) && options.ApiKeys.Count == 0)
        {
            await Console.Error.WriteLineAsync("warning: anybody who reaches this address can use it; set --api-key.");
        }

        await Console.Error.WriteLineAsync(
            $"{options.ModelId} at {string.Join(", ", app.Urls)}; Ctrl+C ends when running answers have.");
        await Task.Delay(Timeout.Infinite, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await app.StopAsync(CancellationToken.None);
        return 0;
    }

    private static WebApplication Build(
        ServeSettings settings,
        MambaLanguageModel model,
        TextTokenizer tokenizer,
        MambaServerOptions options,
        ChatTemplate? template)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
        {
            ContentRootPath = AppContext.BaseDirectory, // no settings from the folder where it was started
        });
        builder.Logging.ClearProviders();
        builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
        builder.Logging.AddFilter(level => level >= LogLevel.Warning);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Listen(settings.Host, settings.Port);
        });
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>(); // the program has its own signals
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = settings.StopTimeout);
        builder.Services.AddMamba(model, tokenizer, options, template);
        if (IPAddress.IsLoopback(settings.Host))
        {
            // A page of another site whose name leads to this machine must not reach the server.
            builder.Services.AddHostFiltering(
                filter => filter.AllowedHosts = ["localhost", "127.0.0.1", "[::1]"]);
        }

        WebApplication app = builder.Build();
        if (IPAddress.IsLoopback(settings.Host))
        {
            app.UseHostFiltering();
        }

        return app;
    }

    private static string NameOf(string path)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        return name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) ? name[..^".gguf".Length] : name;
    }

    /// <summary>Starts and stops nothing.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
