using System.Globalization;

namespace Mamba.Models.Checkpoints;

/// <summary>The ratio of a mixer's inner width to the model's width, which may be a fraction.</summary>
internal static class Expansion
{
    /// <summary>Reads <c>expand</c> and multiplies as Python does: <c>int(expand * width)</c>.</summary>
    public static int InnerDim(ConfigJson json, int width)
    {
        double factor = json.Number("expand", ConfigRanges.Positive, 2);
        return json.Derived("expand times the model's width", factor * width);
    }

    /// <summary>Writes <c>expand</c>: an integer, or the shortest fraction that gives the inner width.</summary>
    public static void Add(ConfigJsonWriter json, int innerDim, int width)
    {
        if (innerDim % width == 0)
        {
            json.Add("expand", innerDim / width);
        }
        else
        {
            json.Add("expand", Factor(innerDim, width));
        }
    }

    /// <summary>
    /// The factor whose product is exact, if there is one. Hugging Face's Mamba-2 compares the product with
    /// <c>num_heads * head_dim</c> before truncation: for 11 of 8, 1.4 truncates to 11, but only 1.375 is exact.
    /// </summary>
    private static double Factor(int innerDim, int width)
    {
        double quotient = (double)innerDim / width;
        double[] candidates =
        [
            .. Enumerable.Range(1, 17).Select(digits => double.Parse(
                quotient.ToString($"G{digits}", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)),
            Math.BitIncrement(quotient),
        ];
        int exact = Array.FindIndex(candidates, factor => factor * width == innerDim);
        return exact >= 0 ? candidates[exact] : candidates.First(factor => (int)(factor * width) == innerDim);
    }
}
