namespace Mamba.Cpu;

/// <summary>Work split into items that may run in parallel, in any order.</summary>
internal interface IJob
{
    void Run(int item);
}
