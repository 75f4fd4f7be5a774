using Mamba.Autograd;
using Mamba.Benchmarks.Problems;
using Mamba.Cpu;
using Mamba.Layers;
using Mamba.Memory;
using Mamba.Operations;
using Mamba.Orders;

namespace Mamba.Benchmarks.Quick;

/// <summary>One scan of the same tokens in four orders, against four plain scans whose outputs are summed.</summary>
internal static class CrossScanRows
{
    private const double Goal = 1.2;

    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(8);

    public static IEnumerable<QuickRow> All =>
    [
        .. Rows(16),
        .. Rows(1),
        Tied("forward", backward: false),
        Tied("forward+backward", backward: true),
    ];

    /// <summary>A mixer whose directions share everything and have one tap, against each direction by itself.</summary>
    private static QuickRow Tied(string what, bool backward) => new(
        $"mixer of four tied directions {what} / each direction by itself", "ratio", _ =>
        {
            using CpuDevice device = new(1);
            using DeviceScope scope = device.Scope();
            DirectionalMixerOptions options = new(
                new MambaMixerOptions
                {
                    ModelDim = CrossScanProblem.Channels, InnerDim = CrossScanProblem.Channels, ConvWidth = 1,
                },
                CrossScanProblem.Orders)
            {
                Tying = DirectionTying.All, MergeAt = MergePoint.Core,
            };
            using DirectionalMixer mixer = new(device, options, new Random(1));
            MambaMixer one = (MambaMixer)mixer.Directions[0];
            DeviceArray x = Seeded.Array(
                device, [2, CrossScanProblem.Side * CrossScanProblem.Side, CrossScanProblem.Channels], -1, 1);
            return Timing.Alternating(() => Run(x => mixer.Forward(x)), () => Run(Apart), Budget).Ratio;

            DeviceArray Apart(DeviceArray x)
            {
                int inner = CrossScanProblem.Channels;
                DeviceArray projected = one.InProjection.Forward(x), sum = default;
                foreach (ScanOrder order in CrossScanProblem.Orders)
                {
                    DeviceArray convolved = Functions.CausalConvolution(
                        projected.Slice(0, inner),
                        one.Convolution.Weight.Value,
                        one.Convolution.Bias!.Value,
                        silu: true,
                        order: order).Y;
                    DeviceArray y = Functions.SelectiveScan(one.Ssm.Select(convolved), null, order).Y;
                    sum = sum.Exists ? sum + y : y;
                }

                return one.OutProjection.Forward(Functions.Gate(sum, projected.Slice(inner, inner)));
            }

            void Run(Func<DeviceArray, DeviceArray> forward)
            {
                using DeviceScope run = device.Scope();
                if (!backward)
                {
                    forward(x);
                    return;
                }

                using Tape tape = new(device);
                tape.Watch(x);
                tape.Backward((forward(x), x));
            }
        })
    {
        Goal = 1,
        LowerIsBetter = true,
    };

    private static IEnumerable<QuickRow> Rows(int states)
    {
        string name = $"cross-scan 56x56 D{CrossScanProblem.Channels} N{states}";
        return
        [
            .. Times($"{name} forward", states, backward: false),
            .. Times($"{name} forward+backward", states, backward: true),
            new($"{name} memory of a training step", "MB", _ => Megabytes(states, inOrders: true))
            {
                LowerIsBetter = true,
            },
            new($"{name} memory, ours / four plain scans summed", "ratio", _ =>
                Megabytes(states, inOrders: true) / Megabytes(states, inOrders: false))
            {
                Goal = Goal,
                LowerIsBetter = true,
            },
        ];
    }

    private static IEnumerable<QuickRow> Times(string name, int states, bool backward)
    {
        Lazy<PairedTimes> times = new(() => Measure(states, backward));
        return
        [
            new(name, "ms", _ => 1000 * times.Value.First) { LowerIsBetter = true },
            new($"{name}, four plain scans summed", "ms", _ => 1000 * times.Value.Second) { LowerIsBetter = true },
            new($"{name}, ours / four plain scans summed", "ratio", _ => times.Value.Ratio)
            {
                Goal = Goal,
                LowerIsBetter = true,
            },
        ];
    }

    private static PairedTimes Measure(int states, bool backward)
    {
        using CpuDevice device = new(1);
        using DeviceScope scope = device.Scope();
        Work work = new(device, states);
        return Timing.Alternating(() => work.Run(inOrders: true, backward), () => work.Run(false, backward), Budget);
    }

    /// <summary>Memory of a training step, without its inputs.</summary>
    private static double Megabytes(int states, bool inOrders)
    {
        using CpuDevice device = new(1);
        using DeviceScope scope = device.Scope();
        Work work = new(device, states);
        long inputs = device.AllocatedBytes;
        work.Run(inOrders, backward: true);
        return (device.AllocatedBytes - inputs) / 1e6;
    }

    private sealed class Work(CpuDevice device, int states)
    {
        private readonly ScanInputs _all = CrossScanProblem.Of(device, states, CrossScanProblem.Directions);

        private readonly ScanInputs[] _parts =
        [
            .. Enumerable.Range(0, CrossScanProblem.Directions).Select(_ => CrossScanProblem.Of(device, states, 1)),
        ];

        public void Run(bool inOrders, bool backward)
        {
            using DeviceScope scope = device.Scope();
            if (!backward)
            {
                Forward(inOrders);
                return;
            }

            using Tape tape = new(device);
            foreach (ScanInputs inputs in inOrders ? [_all] : _parts)
            {
                Watch(tape, inputs);
            }

            DeviceArray y = Forward(inOrders);
            tape.Backward((y, _all.X));
        }

        private DeviceArray Forward(bool inOrders)
        {
            if (inOrders)
            {
                return Functions.MultiScan(_all, CrossScanProblem.Orders).Y;
            }

            DeviceArray sum = default;
            foreach (ScanInputs part in _parts)
            {
                DeviceArray y = Functions.SelectiveScan(part with { X = _parts[0].X }).Y;
                sum = sum.Exists ? sum + y : y;
            }

            return sum;
        }

        private static void Watch(Tape tape, ScanInputs inputs)
        {
            foreach (DeviceArray input in new[]
                { inputs.X, inputs.Delta, inputs.A, inputs.B, inputs.C, inputs.D, inputs.DeltaBias })
            {
                tape.Watch(input);
            }
        }
    }
}
