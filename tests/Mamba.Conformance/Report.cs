using System.Globalization;

namespace Mamba.Conformance;

/// <summary>What a case found: for every tensor its error and its bound, and which came closest to its bound.</summary>
internal sealed class Report(Tolerance tolerance)
{
    private double _worstRatio = -1;

    /// <summary>Whether the device's tolerance applies; otherwise only the bounds do.</summary>
    public bool HasTolerance { get; set; } = true;

    /// <summary>Number of tensors compared.</summary>
    public int Compared { get; private set; }

    public bool Passed { get; private set; } = true;

    /// <summary>Whether some tensor passed by the device's tolerance alone.</summary>
    public bool IsWide { get; private set; }

    public string WorstName { get; private set; } = "nothing compared";

    public double WorstError { get; private set; }

    public double WorstBound { get; private set; }

    /// <summary>Compares <c>max|actual - expected| / max|expected|</c> with a bound.</summary>
    public void Compare(string name, Nd actual, Nd expected, double bound)
    {
        if (actual.Values.Length != expected.Values.Length)
        {
            throw new InvalidDataException(
                $"{name} has {actual.Values.Length} elements, the reference {expected.Values.Length}.");
        }

        double scale = 0, difference = 0;
        for (int i = 0; i < actual.Values.Length; i++)
        {
            double off = Math.Abs(actual.Values[i] - expected.Values[i]);
            difference = Math.Max(difference, double.IsNaN(off) ? double.PositiveInfinity : off);
            scale = Math.Max(scale, Math.Abs(expected.Values[i]));
        }

        Add(name, scale > 0 ? difference / scale : difference, bound, Allowed(name, bound));
    }

    /// <summary>Compares integers, which must be equal.</summary>
    public void Compare(string name, int[] actual, int[] expected)
    {
        if (tolerance.ComparesChoices)
        {
            Add(name, actual.Zip(expected).Count(pair => pair.First != pair.Second), 0, 0);
        }
    }

    /// <summary>What else a reader should know, such as the message of a refusal.</summary>
    public string? Note { get; set; }

    /// <summary>Requires a condition.</summary>
    public void Check(string name, bool holds) => Add(name, holds ? 0 : 1, 0, 0);

    /// <summary>Compares an error that was computed already with a bound.</summary>
    public void CompareError(string name, double error, double bound) => Add(name, error, bound, bound);

    /// <summary>Compares lists that must be equal on every device; the error is the number of differences.</summary>
    public void CompareExactly<T>(string name, IEnumerable<T> actual, IEnumerable<T> expected)
    {
        T[] found = [.. actual], right = [.. expected];
        int same = found.Zip(right).Count(pair => EqualityComparer<T>.Default.Equals(pair.First, pair.Second));
        Add(name, Math.Max(found.Length, right.Length) - same, 0, 0);
    }

    public override string ToString() => Note is not null && Passed ? Note : string.Create(
        CultureInfo.InvariantCulture,
        $"{WorstName} {WorstError:0.0e+0} of {WorstBound:0.0e+0} {Note}").TrimEnd();

    private double Allowed(string name, double bound) => HasTolerance ? tolerance.Allowed(name, bound) : bound;

    private void Add(string name, double error, double bound, double allowed)
    {
        Compared++;
        double ratio = error == 0 ? 0 : error / allowed; // infinite if nothing is allowed
        if (ratio > _worstRatio)
        {
            (_worstRatio, WorstName, WorstError, WorstBound) = (ratio, name, error, allowed);
        }

        Passed &= error <= allowed;
        IsWide |= error > bound && error <= allowed;
    }
}
