using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Tests.Kernels;

namespace Mamba.Tests.Cpu;

/// <summary>Items that throw while they hold scratch memory.</summary>
public sealed class ScratchSlotsTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    // 12 items in either direction, more than there are threads.
    private static readonly SsdCase Case = new()
    {
        Batch = 4, Length = 70, Heads = 15, Groups = 3, HeadDim = 3, States = 4, HasZ = true,
    };

    public static MatrixTheoryData<int, bool> ThreadsAndHowMany => new([1, 2, 5], [true, false]);

    [Theory]
    [MemberData(nameof(ThreadsAndHowMany))]
    public void What_items_of_an_SSD_throw_comes_out_and_the_next_is_right(int threads, bool onlyOne) =>
        InTime(() =>
        {
            using CpuDevice device = new(threads);
            using DeviceScope scope = device.Scope();
            SsdInputs inputs = Case.On(device, Case.Values());

            ShouldThrow(device, onlyOne, () => Functions.Ssd(inputs));
            ShouldBeRight(device);
        });

    [Theory]
    [MemberData(nameof(ThreadsAndHowMany))]
    public void What_items_of_an_SSDs_backward_pass_throw_comes_out_and_the_next_is_right(int threads, bool onlyOne) =>
        InTime(() =>
        {
            using CpuDevice device = new(threads);
            using DeviceScope scope = device.Scope();
            SsdInputs inputs = Case.On(device, Case.Values());
            SsdOperation ssd = new SsdOperation { Inputs = inputs }.Prepare(device, keep: true);
            ssd.Forward(device);
            SsdOperation gradients = ssd with { Inputs = default(SsdInputs) with { X = device.Zeros(inputs.X.Shape) } };

            ShouldThrow(device, onlyOne, () => ssd.Backward(device, gradients));
            ShouldBeRight(device);
        });

    /// <summary>Runs a test on a thread of its own, for what waits without end must fail.</summary>
    private static void InTime(Action test)
    {
        Exception? failure = null;
        Thread thread = new(() => failure = Record.Exception(test)) { IsBackground = true };

        thread.Start();

        thread.Join(Patience).Should().BeTrue("the call must come back");
        failure.Should().BeNull();
    }

    /// <summary>Asserts that what every use of scratch memory throws, or only the second, comes out of work.</summary>
    private static void ShouldThrow(CpuDevice device, bool onlyOne, Action work)
    {
        int uses = 0;
        device.ScratchUsed = () =>
        {
            if (!onlyOne || Interlocked.Increment(ref uses) == 2)
            {
                throw new InvalidOperationException("use");
            }
        };

        work.Should().Throw<InvalidOperationException>().WithMessage("use");
        device.ScratchUsed = null;
    }

    private static void ShouldBeRight(CpuDevice device)
    {
        using CpuDevice sound = new(device.Threads);
        using DeviceScope scope = sound.Scope();
        Dictionary<string, DeviceArray> actual = Case.Run(device), expected = Case.Run(sound);
        foreach ((string name, DeviceArray array) in actual)
        {
            array.ToArray().ShouldHaveTheBitsOf(expected[name].ToArray(), name);
        }
    }
}
