using Mamba.Autograd;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Models.Training;
using Mamba.Optimization;
using Mamba.Tests.Checkpoints;

namespace Mamba.Tests.Training;

public sealed class BufferTests
{
    [Fact]
    public void Buffers_go_on_where_a_run_goes_on()
    {
        using TemporaryFolder folder = new(inMemory: true);
        using Device device = TestDevice.Open();
        Run(4, resume: false).Should().Be(4);

        Run(6, resume: true).Should().Be(6);

        using Counting counting = new(device);
        using Sgd optimizer = new(counting, new() { LearningRate = 1e-3 });
        using Trainer trainer = new(counting, optimizer, new() { Steps = 6 }, _ => counting.Loss());
        trainer.Restore(Directory.GetDirectories(folder.Path).Max()!);
        counting.Count.ToArray().Should().Equal(6);

        float Run(int steps, bool resume)
        {
            using Counting counting = new(device);
            using Sgd optimizer = new(counting, new() { LearningRate = 1e-3 });
            using Trainer trainer = new(
                counting, optimizer, new() { Steps = steps, Folder = folder.Path }, _ => counting.Loss());
            (resume && trainer.Resume(cancellation: TestContext.Current.CancellationToken)).Should().Be(resume);
            trainer.Run(cancellation: TestContext.Current.CancellationToken);
            return counting.Count.ToArray()[0];
        }
    }

    private sealed class Counting : Module
    {
        private readonly Linear _linear;

        public Counting(Device device)
            : base(device)
        {
            _linear = AddModule("linear", new Linear(device, 3, 3, false, new Random(1)));
            Count = AddBuffer("count", [1]);
        }

        public DeviceArray Count { get; }

        public DeviceArray Loss()
        {
            Count.CopyFrom([Count.ToArray()[0] + 1]);
            return Functions.Mean(Functions.Square(_linear.Forward(Device.Array([1, 3], [1, 2, 3]))));
        }
    }
}
