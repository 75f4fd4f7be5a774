using BenchmarkDotNet.Running;
using Mamba.Benchmarks.Quick;

// "quick [--json] [--filter TEXT]" measures the rows of one table in a minute; all else goes to BenchmarkDotNet.
if (args is ["quick", .. string[] options])
{
    return QuickCommand.Run(options);
}

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
return 0;
