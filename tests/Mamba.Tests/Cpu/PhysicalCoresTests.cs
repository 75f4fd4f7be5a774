using System.Buffers.Binary;
using Mamba.Cpu;

namespace Mamba.Tests.Cpu;

public sealed class PhysicalCoresTests
{
    [Fact]
    public void Hyper_threads_of_a_core_count_once() => // as AMD and Intel number them, and as some virtual machines do
        (OfLinux("0-7", cpu => $"{cpu % 4},{(cpu % 4) + 4}\n"), OfLinux("0-7", cpu => $"{cpu & ~1}-{cpu | 1}\n"))
            .Should().Be((4, 4));

    [Fact]
    public void Cores_without_hyper_threads_count_each() => OfLinux("0-5", cpu => $"{cpu}\n").Should().Be(6);

    [Theory]
    [InlineData("0,4", 1)] // both threads of one core
    [InlineData("0-3", 4)] // one thread of each
    [InlineData("2", 1)]
    [InlineData("1-2,5,7", 3)]
    public void Only_processors_that_the_process_may_use_count(string allowed, int expected) =>
        OfLinux(allowed, cpu => $"{cpu % 4},{(cpu % 4) + 4}").Should().Be(expected);

    [Fact]
    public void Processors_that_are_offline_do_not_count() => // 2 and 6 are a core, 7 is the other thread of 3
        OfLinux("0-7", cpu => cpu is 2 or 6 or 7 ? null : cpu == 3 ? "3" : $"{cpu % 4},{(cpu % 4) + 4}").Should().Be(3);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("Name:\tdotnet\n")]
    [InlineData("Cpus_allowed_list:\t\n")]
    [InlineData("Cpus_allowed_list:\tall\n")]
    [InlineData("Cpus_allowed_list:\t0-\n")]
    [InlineData("Cpus_allowed_list:\t0-1-2\n")]
    [InlineData("Cpus_allowed_list:\t0-99999999\n")]
    public void A_status_that_does_not_name_processors_tells_nothing(string? status) =>
        PhysicalCores.OfLinux(status, cpu => $"{cpu}").Should().BeNull();

    [Fact]
    public void A_container_without_sys_tells_nothing() => OfLinux("0-3", _ => null).Should().BeNull();

    [Theory]
    [InlineData(8, 4, 4)]
    [InlineData(2, 4, 2)] // a quota of two processors on a larger machine
    [InlineData(8, null, 8)]
    [InlineData(1, 0, 1)]
    public void There_are_no_more_threads_than_processors_and_at_least_one(int processors, int? cores, int expected) =>
        PhysicalCores.AtMost(processors, cores).Should().Be(expected);

    [Theory]
    [InlineData(ulong.MaxValue, 3)]
    [InlineData(0b000011UL, 1)]
    [InlineData(0b010110UL, 3)]
    [InlineData(0b110000UL, 1)]
    public void Records_of_Windows_are_counted_where_the_process_may_run(ulong allowed, int expected) =>
        PhysicalCores.OfWindows([.. Core(0b000011), .. Core(0b001100), .. Core(0b110000)], allowed)
            .Should().Be(expected);

    [Fact]
    public void Records_of_Windows_in_several_groups_all_count() =>
        PhysicalCores.OfWindows([.. Core(0b0011), .. Core(0b1100), .. Core(0b0011, group: 1)], allowed: 1)
            .Should().Be(3);

    [Fact]
    public void Records_of_Windows_about_other_things_do_not_count() =>
        PhysicalCores.OfWindows([.. Core(1), .. Core(3, relation: 3), .. Core(2)], ulong.MaxValue).Should().Be(2);

    [Fact]
    public void Damaged_records_of_Windows_tell_nothing()
    {
        byte[] core = Core(1);
        byte[] endless = Core(1), groupless = Core(1), larger = Core(1);
        endless.AsSpan(4, 4).Clear();
        groupless.AsSpan(30, 2).Clear();
        larger[4]++;

        byte[][] damaged = [[], core[..^1], endless, groupless, larger, [.. core, 0]];

        damaged.Should().OnlyContain(records => PhysicalCores.OfWindows(records, ulong.MaxValue) == null);
    }

    [Fact]
    public void A_device_has_a_thread_for_each_core_of_this_machine()
    {
        using CpuDevice device = new();

        device.Threads.Should().Be(PhysicalCores.Count).And.BeInRange(1, Environment.ProcessorCount);
    }

    private static int? OfLinux(string allowed, Func<int, string?> siblings) => PhysicalCores.OfLinux(
        $"Name:\tdotnet\nCpus_allowed:\tff\nCpus_allowed_list:\t{allowed}\nMems_allowed:\t1\n", siblings);

    /// <summary>A record as Windows writes it.</summary>
    private static byte[] Core(ulong mask, ushort group = 0, int relation = 0)
    {
        byte[] record = new byte[32 + nint.Size + 8];
        BinaryPrimitives.WriteInt32LittleEndian(record, relation);
        BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(4), record.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(record.AsSpan(30), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(32), (uint)mask);
        BinaryPrimitives.WriteUInt16LittleEndian(record.AsSpan(32 + nint.Size), group);
        return record;
    }
}
