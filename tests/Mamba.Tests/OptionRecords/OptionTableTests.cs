using System.Reflection;
using System.Runtime.CompilerServices;
using Mamba.Gpu;
using Mamba.Layers;
using Mamba.Models.Generation;
using Mamba.Optimization;

namespace Mamba.Tests.OptionRecords;

public sealed class OptionTableTests
{
    private static readonly OptionTable[] Tables =
    [
        .. MixerOptionsTests.Tables, .. TrainingOptionsTests.Tables, .. TextOptionsTests.Tables,
        .. DeviceOptionTables.All,
    ];

    // Every value of an unsigned number, a seed, makes sense.
    private static readonly Type[] Numbers = [typeof(int), typeof(long), typeof(float), typeof(double)];

    public static TheoryData<int, string> Numbered =>
        [.. Tables.Select((table, i) => new TheoryDataRow<int, string>(i, table.Record.Name))];

    [Theory]
    [MemberData(nameof(Numbered))]
    public void Values_that_make_no_sense_are_refused_by_name(int table, string record) =>
        Tables[table].ShouldRefuseEveryInvalidValueByName(record);

    [Theory]
    [MemberData(nameof(Numbered))]
    public void Values_that_make_no_sense_can_be_printed(int table, string record) =>
        Tables[table].ShouldPrintEveryInvalidRecord(record);

    [Theory]
    [MemberData(nameof(Numbered))]
    public void What_the_tables_change_is_valid(int table, string record) =>
        Tables[table].ShouldAllowTheValidRecord(record);

    [Fact]
    public void Every_number_of_every_option_record_has_values_that_are_refused()
    {
        Assembly[] assemblies = [.. new[] { typeof(MixerOptions), typeof(SamplingOptions), typeof(GpuOptions) }
            .Select(type => type.Assembly)];
        Type[] records =
        [
            .. assemblies.SelectMany(assembly => assembly.GetExportedTypes()).Where(type =>
                !type.IsAbstract
                && (type.Name.EndsWith("Options", StringComparison.Ordinal)
                    || type == typeof(LearningRateSchedule) || type == typeof(ParameterGroup))),
        ];

        IEnumerable<string> numbers =
            from record in records
            from property in record.GetProperties()
            where property.SetMethod is not null && IsNumeric(property.PropertyType)
            select $"{record.Name}.{property.Name}";
        IEnumerable<string> tested =
            from table in Tables
            from property in table.Invalid.Keys
            select $"{table.Record.Name}.{property}";

        records.Should().HaveCountGreaterThanOrEqualTo(16);
        numbers.Should().BeSubsetOf(tested);
    }

    private static bool IsNumeric(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return Numbers.Contains(type)
            || (type.IsAssignableTo(typeof(ITuple)) && type.GetGenericArguments().Any(IsNumeric));
    }
}
