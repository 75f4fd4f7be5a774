#:project ../src/Mamba.Text/Mamba.Text.csproj
#:package Microsoft.Agents.AI
#:property PublishAot=false
#:property CentralPackageTransitivePinningEnabled=false
using System.ComponentModel;
using Mamba.Cpu;
using Mamba.Models;
using Mamba.Text;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

// An agent of the Microsoft Agent Framework over a local model. It may call a function, and remembers what was said.
// The argument is a model with a chat template, as a folder, a GGUF file or a name on the hub:
// dotnet run -c Release samples/agent.cs tiiuae/Falcon-H1-0.5B-Instruct
using ModelHub hub = new();
string path = Path.Exists(args[0]) ? args[0] : await hub.DownloadAsync(args[0]);
using CpuDevice device = new();
using MambaLanguageModel model = MambaLanguageModel.Load(path, device);
using MambaChatClient client = new(model, TextTokenizer.Load(path));
ChatClientAgent agent = new(
    client, instructions: "You are a short-spoken clerk.", tools: [AIFunctionFactory.Create(TimeIn)]);
AgentSession session = await agent.CreateSessionAsync();
foreach (string question in (string[])["What time is it in Tokyo?", "Which city did I ask about?"])
{
    Console.WriteLine($"> {question}");
    await foreach (AgentResponseUpdate piece in agent.RunStreamingAsync(question, session))
    {
        Console.Write(piece.Text);
    }

    Console.WriteLine();
}

[Description("The time in a city.")]
static string TimeIn([Description("The time zone of the city, such as Europe/Paris.")] string zone) =>
    TimeZoneInfo.ConvertTime(DateTimeOffset.Now, TimeZoneInfo.FindSystemTimeZoneById(zone)).ToString("t");
