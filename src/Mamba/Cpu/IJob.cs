namespace Mamba.Cpu;

/// <summary>A piece of work in items that may run at the same time, in any order.</summary>
internal interface IJob
{
    void Run(int item);
}
