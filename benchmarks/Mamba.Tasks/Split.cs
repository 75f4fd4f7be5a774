namespace Mamba.Tasks;

/// <summary>What data are for; the same batch number gives different data in each.</summary>
internal enum Split
{
    /// <summary>Gradients are computed of these.</summary>
    Training,

    /// <summary>Decide when training may stop.</summary>
    Validation,

    /// <summary>Give the accuracy in the table.</summary>
    Test,
}
