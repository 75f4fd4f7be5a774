using BenchmarkDotNet.Running;
using Mamba.Benchmarks.Gpu;
using Mamba.Benchmarks.Quick;

// "quick [--json] [--filter TEXT]" measures the rows of one table in a minute, "gpu" those of a GPU; all else goes to
// BenchmarkDotNet.
if (args is ["quick", .. string[] options])
{
    return QuickCommand.Run(options);
}

if (args is ["gpu", .. string[] gpuOptions])
{
    return GpuCommand.Run(gpuOptions);
}

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
