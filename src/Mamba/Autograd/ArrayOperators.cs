using Mamba.Memory;

namespace Mamba.Autograd;

/// <summary>
/// Arithmetic operators on arrays, such as <c>(a + b) * 0.5f</c>. Each is a function that a tape records.
/// </summary>
/// <example>
/// <code>
/// DeviceArray y = ((a + b) * 0.5f) - (a / b);
/// </code>
/// </example>
public static class ArrayOperators
{
    extension(DeviceArray)
    {
        /// <summary><see cref="Functions.Add"/></summary>
        public static DeviceArray operator +(DeviceArray a, DeviceArray b) => Functions.Add(a, b);

        /// <summary><see cref="Functions.Subtract"/></summary>
        public static DeviceArray operator -(DeviceArray a, DeviceArray b) => Functions.Subtract(a, b);

        /// <summary>
        /// <see cref="Functions.Multiply"/>, element by element; the matrix product is <see cref="Functions.MatMul"/>.
        /// </summary>
        public static DeviceArray operator *(DeviceArray a, DeviceArray b) => Functions.Multiply(a, b);

        /// <summary><see cref="Functions.Divide"/></summary>
        public static DeviceArray operator /(DeviceArray a, DeviceArray b) => Functions.Divide(a, b);

        /// <summary><see cref="Functions.Scale"/></summary>
        public static DeviceArray operator *(DeviceArray x, float factor) => Functions.Scale(x, factor);

        /// <summary><see cref="Functions.Scale"/></summary>
        public static DeviceArray operator *(float factor, DeviceArray x) => Functions.Scale(x, factor);

        /// <summary><see cref="Functions.Scale"/> by the reciprocal.</summary>
        public static DeviceArray operator /(DeviceArray x, float divisor) => Functions.Scale(x, 1 / divisor);

        /// <summary><see cref="Functions.Scale"/> by -1.</summary>
        public static DeviceArray operator -(DeviceArray x) => Functions.Scale(x, -1);
    }
}
