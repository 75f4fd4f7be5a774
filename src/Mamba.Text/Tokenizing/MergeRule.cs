namespace Mamba.Text.Tokenizing;

/// <summary>What two neighbouring tokens become.</summary>
/// <param name="Rank">Lower ranks are merged first; of equal ranks the leftmost.</param>
/// <param name="Id">The token that they become.</param>
internal readonly record struct MergeRule(int Rank, int Id);
