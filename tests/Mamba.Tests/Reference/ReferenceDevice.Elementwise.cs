using Mamba.Kernels;
using Mamba.Memory;
using static Mamba.Tests.Reference.DoubleMath;

namespace Mamba.Tests.Reference;

internal sealed partial class ReferenceDevice
{
    private static readonly Dictionary<Type, Func<double, double>> Maps = new()
    {
        [typeof(Elementwise.Identity)] = x => x,
        [typeof(Elementwise.NegatedExp)] = x => -Math.Exp(x),
        [typeof(Elementwise.Sigmoid)] = Sigmoid,
        [typeof(Elementwise.Silu)] = x => x * Sigmoid(x),
        [typeof(Elementwise.Softplus)] = Softplus,
        [typeof(Elementwise.SquaredRelu)] = x => x > 0 ? x * x : 0,
        [typeof(Elementwise.Gelu)] = x => x * 0.5 * Erfc(-x / Math.Sqrt(2)),
        [typeof(Elementwise.GeluTanh)] = x =>
            x / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
        [typeof(Elementwise.Exp)] = Math.Exp,
        [typeof(Elementwise.Log)] = Math.Log,
        [typeof(Elementwise.Sqrt)] = Math.Sqrt,
        [typeof(Elementwise.Square)] = x => x * x,
        [typeof(Elementwise.Abs)] = Math.Abs,
        [typeof(Elementwise.Tanh)] = Math.Tanh,
        [typeof(Elementwise.Relu)] = x => Math.Max(x, 0),
        [typeof(Elementwise.Sin)] = Math.Sin,
        [typeof(Elementwise.Cos)] = Math.Cos,
        [typeof(Elementwise.Finite)] = x => Math.Clamp(x, -double.MaxValue, double.MaxValue),
        [typeof(Elementwise.Huber)] = x => Math.Abs(x) <= 1 ? x * x / 2 : Math.Abs(x) - 0.5,
        [typeof(Elementwise.Sign)] = x => x > 0 ? 1 : x < 0 ? -1 : x,
    };

    private static readonly Dictionary<Type, Func<double, double, double>> Zips = new()
    {
        [typeof(Elementwise.Add)] = (a, b) => a + b,
        [typeof(Elementwise.Multiply)] = (a, b) => a * b,
        [typeof(Elementwise.Subtract)] = (a, b) => a - b,
        [typeof(Elementwise.Divide)] = (a, b) => a / b,
        [typeof(Elementwise.Maximum)] = Math.Max,
        [typeof(Elementwise.Minimum)] = Math.Min,
        [typeof(Elementwise.LogDecay)] = (a, b) => Math.Clamp(a * b, -89, 0),
        [typeof(Elementwise.AtLeast)] = Math.Max,
        [typeof(Elementwise.AtMost)] = Math.Min,
        [typeof(Elementwise.ExpOfDifference)] = (a, b) => Math.Exp(a - b),
        [typeof(Elementwise.LogitLoss)] = (a, b) => (b * Softplus(-a)) + ((1 - b) * Softplus(a)),
        [typeof(Elementwise.Gate)] = (a, b) => a * b * Sigmoid(b),
    };

    internal override void Fill(DeviceArray y, float value)
    {
        View view = ViewOf(y);
        for (int i = 0; i < y.Shape.Count; i++)
        {
            view[i] = value;
        }
    }

    internal override void Copy(DeviceArray x, DeviceArray y) => Map<Elementwise.Identity>(x, y);

    internal override void AddScaled(DeviceArray x, float scale, DeviceArray y)
    {
        RequireSameShape(x, y);
        View source = ViewOf(x), target = ViewOf(y);
        for (int i = 0; i < x.Shape.Count; i++)
        {
            target[i] += scale * source[i];
        }
    }

    internal override void Map<TOp>(DeviceArray x, DeviceArray y)
    {
        RequireSameShape(x, y);
        View source = ViewOf(x), target = ViewOf(y);
        for (int i = 0; i < x.Shape.Count; i++)
        {
            target[i] = Maps[typeof(TOp)](source[i]);
        }
    }

    internal override void MapBackward<TOp>(DeviceArray x, DeviceArray gy, DeviceArray gx)
    {
        View source = ViewOf(x), from = ViewOf(gy), to = ViewOf(gx);
        Func<double, double> f = Maps[typeof(TOp)];
        for (int i = 0; i < x.Shape.Count; i++)
        {
            to[i] += from[i] * Derivative(f, source[i]);
        }
    }

    internal override void Zip<TOp>(DeviceArray a, DeviceArray b, DeviceArray y)
    {
        RequireSameShape(a, b);
        View left = ViewOf(a), right = ViewOf(b), target = ViewOf(y);
        for (int i = 0; i < a.Shape.Count; i++)
        {
            target[i] = Zips[typeof(TOp)](left[i], right[i]);
        }
    }

    internal override void ZipBackward<TOp>(
        DeviceArray a, DeviceArray b, DeviceArray gy, DeviceArray ga, DeviceArray gb)
    {
        View left = ViewOf(a), right = ViewOf(b), from = ViewOf(gy), toLeft = ViewOf(ga), toRight = ViewOf(gb);
        Func<double, double, double> f = Zips[typeof(TOp)];
        for (int i = 0; i < a.Shape.Count; i++)
        {
            double l = left[i], r = right[i];
            if (toLeft.Exists)
            {
                toLeft[i] += from[i] * Derivative(v => f(v, r), l);
            }

            if (toRight.Exists)
            {
                toRight[i] += from[i] * Derivative(v => f(l, v), r);
            }
        }
    }

    internal override void AddColumnSums(DeviceArray x, DeviceArray y)
    {
        View source = ViewOf(x), target = ViewOf(y);
        for (int row = 0; row < x.Shape.Rows; row++)
        {
            for (int column = 0; column < x.Shape.Width; column++)
            {
                target[column] += source[row, column];
            }
        }
    }

    /// <summary>f'(x) by a fourth-order central difference: accurate to about 1e-12 for these functions.</summary>
    private static double Derivative(Func<double, double> f, double x)
    {
        double h = 1e-3 * Math.Max(1, Math.Abs(x));
        return ((8 * (f(x + h) - f(x - h))) - (f(x + (2 * h)) - f(x - (2 * h)))) / (12 * h);
    }

    /// <summary>The complementary error function: a series near 0, a continued fraction elsewhere.</summary>
    private static double Erfc(double x)
    {
        if (x < 0)
        {
            return 2 - Erfc(-x);
        }

        if (x < 2.5)
        {
            double term = x, sum = x;
            for (int n = 1; n < 80; n++)
            {
                term *= -x * x / n;
                sum += term / ((2 * n) + 1);
            }

            return 1 - (2 / Math.Sqrt(Math.PI) * sum);
        }

        double tail = 0;
        for (int n = 60; n > 0; n--)
        {
            tail = n / 2.0 / (x + tail);
        }

        return Math.Exp(-x * x) / Math.Sqrt(Math.PI) / (x + tail);
    }
}
