#:project ../src/Mamba.Text/Mamba.Text.csproj
#:property PublishAot=false
using Mamba.Cpu;
using Mamba.Models;
using Mamba.Text;
using Microsoft.Extensions.AI;

// Talks with a model in the terminal. The argument is a model with a chat template, as a folder, a GGUF file or a name
// on the hub; an empty line ends the program:
// dotnet run -c Release samples/chat.cs tiiuae/Falcon-H1-0.5B-Instruct
using ModelHub hub = new();
string path = Path.Exists(args[0]) ? args[0] : await hub.DownloadAsync(args[0]);
using CpuDevice device = new();
using MambaLanguageModel model = MambaLanguageModel.Load(path, device);
using MambaChatClient client = new(model, TextTokenizer.Load(path));
List<ChatMessage> messages = [];
while (true)
{
    Console.Write("> ");
    if (Console.ReadLine() is not { Length: > 0 } question)
    {
        return;
    }

    messages.Add(new(ChatRole.User, question));
    List<ChatResponseUpdate> pieces = [];
    await foreach (ChatResponseUpdate piece in client.GetStreamingResponseAsync(messages))
    {
        Console.Write(piece.Text);
        pieces.Add(piece);
    }

    messages.AddMessages(pieces);
    Console.WriteLine();
}
