using System.Globalization;
using System.Text;

namespace Mamba.Cli.Train;

/// <summary>Draws the curve of the loss as an SVG picture.</summary>
/// <remarks>
/// Ours: a plotting library brings native code of hundreds of megabytes to a tool that draws one curve.
/// </remarks>
internal static class LossPlot
{
    private const int Width = 800, Height = 450, Left = 60, Right = 20, Top = 40, Bottom = 45, MostPoints = 1000;

    /// <summary>Draws points of training, smoothed, and of evaluation.</summary>
    /// <param name="title">Stands above the curve.</param>
    /// <param name="unit">Of the vertical axis.</param>
    /// <param name="training">Step and loss of every step.</param>
    /// <param name="evaluation">Step and loss of every evaluation.</param>
    /// <returns>The picture.</returns>
    public static string Draw(
        string title,
        string unit,
        IReadOnlyList<(long Step, double Loss)> training,
        IReadOnlyList<(long Step, double Loss)> evaluation)
    {
        (long Step, double Loss)[] curve = [.. Means(training)];
        double[] losses = [.. curve.Concat(evaluation).Select(point => point.Loss).Where(double.IsFinite)];
        StringBuilder svg = new();
        svg.Append(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}"
              font-family="sans-serif" font-size="12">
            <rect width="{Width}" height="{Height}" fill="white"/>
            <text x="{Left}" y="22" font-size="15">{Escape(title)}</text>

            """);
        if (losses.Length > 0)
        {
            double low = losses.Min(), high = losses.Max();
            long steps = Math.Max(training.Concat(evaluation).Max(point => point.Step), 1);
            Axes axes = new(steps, low, Math.Max(high, low + 1e-3));
            axes.DrawGrid(svg, unit);
            axes.DrawCurve(svg, curve, "#1f77b4");
            if (evaluation.Count > 0)
            {
                (long Step, double Loss)[] finite = [.. evaluation.Where(point => double.IsFinite(point.Loss))];
                axes.DrawCurve(svg, finite, "#d62728");
                axes.DrawPoints(svg, finite, "#d62728");
            }

            DrawLegend(svg, evaluation.Count > 0);
        }

        return svg.Append("</svg>\n").ToString();
    }

    /// <summary>Means of equal stretches, so that a long run is a curve and not a band of noise.</summary>
    private static IEnumerable<(long Step, double Loss)> Means(IReadOnlyList<(long Step, double Loss)> points)
    {
        int stretch = Math.Max((points.Count + (MostPoints / 4) - 1) / (MostPoints / 4), 1);
        return points.Where(point => double.IsFinite(point.Loss)).Chunk(stretch)
            .Select(chunk => (chunk[^1].Step, chunk.Average(point => point.Loss)));
    }

    private static void DrawLegend(StringBuilder svg, bool hasEvaluation)
    {
        svg.Append(
            CultureInfo.InvariantCulture,
            $"<text x=\"{Width - 200}\" y=\"22\" fill=\"#1f77b4\">training</text>\n");
        if (hasEvaluation)
        {
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<text x=\"{Width - 120}\" y=\"22\" fill=\"#d62728\">held out</text>\n");
        }
    }

    private static string Escape(string text) =>
        text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal);

    /// <summary>Places steps and losses on the picture.</summary>
    private readonly struct Axes(long steps, double low, double high)
    {
        private const int Lines = 6;

        public void DrawGrid(StringBuilder svg, string unit)
        {
            (double[] losses, int decimals) = RoundTicks.Between(low, high, Lines);
            foreach (double loss in losses)
            {
                string label = loss.ToString($"F{decimals}", CultureInfo.InvariantCulture);
                svg.Append(CultureInfo.InvariantCulture, $"""
                    <line x1="{Left}" x2="{Width - Right}" y1="{Y(loss):0.0}" y2="{Y(loss):0.0}" stroke="#ddd"/>
                    <text x="{Left - 8}" y="{Y(loss) + 4:0.0}" text-anchor="end">{label}</text>

                    """);
            }

            foreach (double step in RoundTicks.Between(0, steps, Lines, least: 1).Places)
            {
                svg.Append(CultureInfo.InvariantCulture, $"""
                    <text x="{X((long)step):0.0}" y="{Height - Bottom + 18}" text-anchor="middle">{step:0}</text>

                    """);
            }

            svg.Append(CultureInfo.InvariantCulture, $"""
                <text x="{(Left + Width - Right) / 2}" y="{Height - 8}" text-anchor="middle">step</text>
                <text transform="translate(16 {Height / 2}) rotate(-90)" text-anchor="middle">{Escape(unit)}</text>

                """);
        }

        public void DrawCurve(StringBuilder svg, IEnumerable<(long Step, double Loss)> points, string color)
        {
            svg.Append(
                CultureInfo.InvariantCulture,
                $"<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\" points=\"");
            foreach ((long step, double loss) in points)
            {
                svg.Append(CultureInfo.InvariantCulture, $"{X(step):0.0},{Y(loss):0.0} ");
            }

            svg.Append("\"/>\n");
        }

        /// <summary>Draws a dot for every point, and a ring and the value at the lowest.</summary>
        public void DrawPoints(StringBuilder svg, (long Step, double Loss)[] points, string color)
        {
            foreach ((long step, double loss) in points)
            {
                svg.Append(
                    CultureInfo.InvariantCulture,
                    $"<circle cx=\"{X(step):0.0}\" cy=\"{Y(loss):0.0}\" r=\"3\" fill=\"{color}\"/>\n");
            }

            if (points.Length > 0)
            {
                (long best, double least) = points.MinBy(point => point.Loss);
                string label = FormattableString.Invariant($"best: {least:0.000}, step {best}");
                string anchor = X(best) > Width / 2.0 ? "end" : "start";
                svg.Append(CultureInfo.InvariantCulture, $"""
                    <circle cx="{X(best):0.0}" cy="{Y(least):0.0}" r="7" fill="none"
                      stroke="{color}" stroke-width="1.5"/>
                    <text x="{X(best):0.0}" y="{Y(least) - 12:0.0}" fill="{color}" text-anchor="{anchor}">{label}</text>

                    """);
            }
        }

        private double X(long step) => Left + ((Width - Left - Right) * ((double)step / steps));

        private double Y(double loss) => Height - Bottom - ((Height - Top - Bottom) * (loss - low) / (high - low));
    }
}
