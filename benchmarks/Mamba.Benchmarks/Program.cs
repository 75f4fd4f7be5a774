using BenchmarkDotNet.Running;
using Mamba.Benchmarks.Gpu;
using Mamba.Benchmarks.Llama;
using Mamba.Benchmarks.Quick;

// "quick [--json] [--filter TEXT]" measures the rows of one table in some minutes, "gpu" those of a GPU, "llama FOLDER"
// llama.cpp beside this library. quick starts "load FOLDER" as a process. Other arguments go to BenchmarkDotNet.
switch (args)
{
    case ["quick", .. string[] options]:
        return QuickCommand.Run(options);
    case ["gpu", .. string[] options]:
        return GpuCommand.Run(options);
    case ["llama", .. string[] options]:
        return LlamaCommand.Run(options);
    case [LoadCommand.Name, string folder]:
        return LoadCommand.Run(folder);
    default:
        BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
        return 0;
}
