using Mamba.Autograd;
using Mamba.Cpu;
using Mamba.Devices;
using Mamba.Layers;
using Mamba.Memory;

namespace Mamba.Tests.Devices;

/// <summary>
/// Four threads do at random whatever a thread may do; nothing is mixed up, and nothing is left behind.
/// </summary>
public sealed class ThreadStressTests
{
    private const int Width = 24;

    [Theory]
    [InlineData(1, long.MaxValue)]
    [InlineData(3, long.MaxValue)]
    [InlineData(2, 1 << 16)]
    public void Random_work_of_four_threads_gives_what_it_gives_alone(int workers, long poolLimit)
    {
        CpuDevice device = new(workers) { PoolLimit = poolLimit, Warning = null };
        MambaMixer mixer = new(device, new() { ModelDim = Width }, new Random(1));
        float[] expected = Read(mixer);
        DateTime end = DateTime.UtcNow.AddSeconds(1);

        Threads.RunAll([.. Enumerable.Range(0, 4).Select(seed => (Action)(() =>
        {
            using Worker worker = new(device, mixer, expected, new Random(seed));
            for (int i = 0; i < 20 || DateTime.UtcNow < end; i++)
            {
                worker.DoSomething(depth: 0);
            }
        }))]);

        Read(mixer).ShouldHaveTheBitsOf(expected);
        device.ContextCount.Should().BeLessThanOrEqualTo(8, "four threads, and as many that ended inside");
        mixer.Dispose();
        device.TrimPool();
        device.AllocatedBytes.Should().Be(0, "everything was freed");
        device.Dispose();
    }

    private static float[] Read(MambaMixer mixer)
    {
        using DeviceScope scope = mixer.Device.Scope();
        using LayerState state = mixer.CreateState(1);
        DeviceArray x = mixer.Device.Array([1, 9, Width], Samples.Normal(7, 9 * Width));
        mixer.Forward(x, state);
        return mixer.Step(mixer.Device.Array([1, 1, Width], Samples.Normal(8, Width)), state).ToArray();
    }

    /// <summary>One thread with a state and arrays of its own.</summary>
    private sealed class Worker(Device device, MambaMixer mixer, float[] expected, Random random) : IDisposable
    {
        private readonly Queue<(DeviceArray Array, float Value)> _owned = new();

        public void DoSomething(int depth)
        {
            switch (random.Next(8))
            {
                case 0 or 1 when depth < 4:
                    InScope(depth);
                    break;
                case 2:
                    Own();
                    break;
                case 3 when _owned.TryDequeue(out (DeviceArray Array, float Value) owned):
                    owned.Array.ToArray().Should().OnlyContain(value => value == owned.Value);
                    device.Free(owned.Array);
                    break;
                case 4:
                    Read(mixer).ShouldHaveTheBitsOf(expected);
                    break;
                case 5:
                    Train();
                    break;
                case 6 when random.Next(20) == 0:
                    device.TrimPool();
                    break;
                case 7 when random.Next(50) == 0:
                    Threads.Run(() => device.Scope()); // ends inside
                    break;
                default:
                    break;
            }
        }

        public void Dispose()
        {
            foreach ((DeviceArray array, _) in _owned)
            {
                device.Free(array);
            }
        }

        private void InScope(int depth)
        {
            using DeviceScope scope = device.Scope();
            float value = random.Next(1000);
            DeviceArray array = Filled(value);
            for (int i = random.Next(4); i > 0; i--)
            {
                DoSomething(depth + 1);
            }

            array.ToArray().Should().OnlyContain(found => found == value);
            if (depth == 0 && random.Next(3) == 0)
            {
                _owned.Enqueue((scope.Keep(array), value));
            }
        }

        private void Own()
        {
            if (!device.IsHeld)
            {
                float value = random.Next(1000);
                _owned.Enqueue((Filled(value), value));
            }
        }

        private DeviceArray Filled(float value)
        {
            float[] values = new float[1 + random.Next(3000)];
            Array.Fill(values, value);
            return device.Array([values.Length], values);
        }

        /// <summary>Makes a layer, goes backward through it, and frees it.</summary>
        private void Train()
        {
            if (device.Tape is not null)
            {
                return;
            }

            using Linear linear = new(device, 8, 8, true, new Random(1));
            using DeviceScope scope = device.Scope();
            using Tape tape = new(device);
            DeviceArray x = device.Array([1, 8], [1, 2, 3, 4, 5, 6, 7, 8]);
            tape.Backward(Functions.Sum(linear.Forward(x)));
            linear.Bias!.Gradient.ToArray().Should().OnlyContain(value => value == 1);
        }
    }
}
