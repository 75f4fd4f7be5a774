namespace Mamba.Benchmarks.Quick;

/// <summary>All rows of the quick table, in order. A new family adds its list here.</summary>
internal static class QuickRows
{
    public static IEnumerable<QuickRow> All =>
    [
        .. MachineRows.All,
        .. MatMulRows.All,
        .. ScanRows.All,
        .. CrossScanRows.All,
        .. SsdRows.All,
        .. SsdRouteRows.All,
        .. ConvolutionRows.All,
        .. AxisRows.All,
        .. BlockRows.All,
        .. StepRows.All,
        .. ThreadRows.All,
        .. LengthRows.All,
        .. LoadRows.All,
        .. TokenizerRows.All,
        .. ModelRows.All,
    ];
}
