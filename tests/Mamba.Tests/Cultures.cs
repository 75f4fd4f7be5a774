using System.Globalization;

namespace Mamba.Tests;

/// <summary>Runs work under another culture, whether or not the machine has globalization data.</summary>
internal static class Cultures
{
    /// <summary>Does work under a culture that writes 1.234,5 for 1,234.5.</summary>
    public static T WithCommas<T>(Func<T> work)
    {
        CultureInfo before = CultureInfo.CurrentCulture, culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        culture.NumberFormat.NumberDecimalSeparator = ",";
        culture.NumberFormat.NumberGroupSeparator = ".";
        try
        {
            CultureInfo.CurrentCulture = culture;
            return work();
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }
}
